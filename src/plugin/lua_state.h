/* SPDX-License-Identifier: Apache-2.0 */
/* What the files lua_*.c share: one Lua state, its script and its caps. */
#ifndef VDS_PLUGIN_LUA_STATE_H
#define VDS_PLUGIN_LUA_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/map.h"
#include "plugin/script.h"
#include "vadose/section.h"
#include "vadose/vad.h"

/* Defaults of the two options that every script has. */
#define VDS_LUA_MEMORY "64M"
#define VDS_LUA_MEMORY_BYTES ((size_t)64 << 20)
#define VDS_LUA_INSTRUCTIONS "100000000"
#define VDS_LUA_INSTRUCTIONS_COUNT UINT64_C(100000000)
#define VDS_LUA_MEMORY_OPTION "script-memory"
#define VDS_LUA_INSTRUCTIONS_OPTION "script-instructions"

/*
 * One state. Lua raises errors by longjmp: whatever must be freed hangs here,
 * and vds_lua_close() frees it.
 */
struct vds_lua {
	lua_State *L;
	const struct vds_script *script;
	struct vds_run *run;		/* NULL while only declaring */
	const struct vds_process *process;
	bool live;			/* within a function of the script */
	size_t memory, max_memory;	/* bytes */
	uint64_t spent, max_instructions;
	uint64_t started;		/* processor time of the thread, ns */
	unsigned int looks;		/* of the hook */
	uint64_t held;			/* bytes of the host's, until run() ends */
	struct vds_map seen;		/* control areas given to on_section */
	struct vds_error *err;		/* the host's, while Lua unwinds */
	char where[96];			/* "x.lua:3: ", of a cap */
	bool too_long;			/* a string was refused */
};

/* lua_state.c */
/* Opens the state and executes the script's text. Close it in any case. */
struct vds_error *vds_lua_open(struct vds_lua *lua);
void vds_lua_close(struct vds_lua *lua);
struct vds_lua *vds_lua_of(lua_State *L);
/* Calls @function protected; VDS_ERROR_PLUGIN with file:line, or the host's. */
struct vds_error *vds_lua_call(struct vds_lua *lua, lua_CFunction function);
/* Counts work that is done in C as instructions, by the bytes it goes over. */
void vds_lua_charge(lua_State *L, size_t bytes);
/*
 * Counts memory that the host keeps for the script until its run ends: it has
 * the same cap as that of Lua's own. Raises an error past it.
 */
void vds_lua_hold(lua_State *L, size_t bytes);
/* Raises the host's error @err (unless NULL). */
void vds_lua_raise(struct vds_lua *lua, struct vds_error *err);
/* Raises an error unless a function of the script is running. */
struct vds_lua *vds_lua_live(lua_State *L);

/* lua_library.c: what a script may call of Lua's own. */
void vds_lua_open_library(lua_State *L);

/* lua_object.c: processes, VADs, sections, reasons. */
void vds_lua_open_objects(lua_State *L);
void vds_lua_push_process(lua_State *L, const struct vds_process *process);
void vds_lua_push_vad(lua_State *L, const struct vds_vad *vad);
void vds_lua_push_section(lua_State *L, const struct vds_section *section);
const struct vds_process *vds_lua_to_process(lua_State *L, int index);
const struct vds_vad *vds_lua_to_vad(lua_State *L, int index);
/* Why a value is absent, as a value that emit{} takes. */
void vds_lua_push_why(lua_State *L, enum vds_why why);

/* lua_read.c: methods of processes and VADs, kernel.*, option, note. */
extern const luaL_Reg vds_lua_process_methods[];
extern const luaL_Reg vds_lua_vad_methods[];
void vds_lua_open_reads(lua_State *L);

/* lua_walk.c: processes(), and process:vads(). */
int vds_lua_process_vads(lua_State *L);
void vds_lua_open_walks(lua_State *L);

/* lua_emit.c */
/* True if the bytes are valid UTF-8. */
bool vds_lua_is_text(const char *bytes, size_t len);
int vds_lua_emit(lua_State *L);

/* lua_declare.c: fills @plugin from the global `plugin`; raises errors. */
void vds_lua_declare(lua_State *L, struct vds_arena *arena,
		     struct vds_plugin *plugin);

/* lua_run.c */
struct vds_error *vds_lua_run(struct vds_run *run,
			      const struct vds_process *process);
/* In the order in which they are called, for each process. */
#define VDS_LUA_NUM_FUNCTIONS 4
extern const char *const vds_lua_functions[VDS_LUA_NUM_FUNCTIONS];
/* Instead of them: called once, for the whole image. */
#define VDS_LUA_ONCE "once"

#endif
