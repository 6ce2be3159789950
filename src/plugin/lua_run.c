/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A script as a plugin: executed once to learn what it declares, and once more,
 * in a state of its own, for each process. So nothing leaks from one process to
 * the next, whatever the number of threads.
 */
#include "plugin/lua_state.h"

#include <string.h>

#include "base/util.h"
#include "plugin/session.h"

const char *const vds_lua_functions[VDS_LUA_NUM_FUNCTIONS] = {
	"on_process", "on_vad", "on_section", "on_end"};
enum { ON_PROCESS, ON_VAD, ON_SECTION, ON_END };

/* Pushes the script's function; nothing and false if it has none. */
static bool push_function(lua_State *L, int which)
{
	if (lua_getglobal(L, vds_lua_functions[which]) == LUA_TFUNCTION)
		return true;
	lua_pop(L, 1);
	return false;
}

/* on_section: once for each control area that the process maps. */
static void visit_section(struct vds_lua *lua, const struct vds_vad *vad)
{
	const struct vds_section *section =
		vds_vad_section(lua->process, vad);
	lua_State *L = lua->L;

	if (!section)
		return;
	enum vds_seen seen = vds_set_add(&lua->seen, section->control_area);
	if (seen == VDS_SEEN_NOMEM)
		vds_lua_raise(lua, &vds_enomem);
	if (seen == VDS_SEEN_BEFORE || !push_function(L, ON_SECTION))
		return;
	vds_lua_push_section(L, section);
	lua_pushvalue(L, 1);
	lua_call(L, 2, 0);
}

/* The stack holds the process, at 1. */
static void visit_vads(struct vds_lua *lua)
{
	lua_State *L = lua->L;
	bool on_section = push_function(L, ON_SECTION);
	bool on_vad = push_function(L, ON_VAD);
	const struct vds_vad *vad;

	lua_settop(L, 1);
	if (!on_section && !on_vad)
		return;
	struct vds_vad_iter *iter = vds_vad_iterate(lua->process);
	while ((vad = vds_vad_next(iter))) {
		if (push_function(L, ON_VAD)) {
			lua_pushvalue(L, 1);
			vds_lua_push_vad(L, vad);
			lua_call(L, 2, 0);
		}
		if (on_section)
			visit_section(lua, vad);
	}
}

static int visit(lua_State *L)
{
	struct vds_lua *lua = vds_lua_of(L);

	lua->live = true;
	vds_lua_push_process(L, lua->process);
	if (push_function(L, ON_PROCESS)) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 0);
	}
	visit_vads(lua);
	if (push_function(L, ON_END)) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 0);
	}
	return 0;
}

static int visit_image(lua_State *L)
{
	vds_lua_of(L)->live = true;
	lua_getglobal(L, VDS_LUA_ONCE);
	lua_call(L, 0, 0);
	return 0;
}

struct vds_error *vds_lua_run(struct vds_run *run,
			      const struct vds_process *process)
{
	/* The descriptor is the script's first member. */
	const struct vds_script *script = (const void *)run->session->plugin;
	uint64_t memory = vds_option_uint(run, VDS_LUA_MEMORY_OPTION);
	struct vds_lua lua = {
		.script = script,
		.run = run,
		/* A VAD's section is asked of some process, whichever. */
		.process = process ? process : vds_process_at(run, 0),
		.max_memory = memory > SIZE_MAX ? SIZE_MAX : (size_t)memory,
		.max_instructions = VDS_MIN(
			vds_option_uint(run, VDS_LUA_INSTRUCTIONS_OPTION),
			(uint64_t)INT64_MAX),
	};
	struct vds_error *err = vds_lua_open(&lua);
	if (!err)
		err = vds_lua_call(&lua, process ? visit : visit_image);
	vds_lua_close(&lua);
	return vds_error_prefix(err, "plugin %s", script->plugin.name);
}

/* While it declares: where the descriptor goes. */
struct declaration {
	struct vds_lua lua;
	struct vds_arena *arena;
	struct vds_plugin plugin;
};

static int declare(lua_State *L)
{
	/* The state's context is the declaration's first member. */
	struct declaration *d = (void *)vds_lua_of(L);

	vds_lua_declare(L, d->arena, &d->plugin);
	return 0;
}

struct vds_error *vds_script_load(struct vds_arena *arena, const char *name,
				  const char *text, size_t len,
				  struct vds_plugin **ret,
				  const char **ret_fault)
{
	struct vds_script *script = vds_arena_calloc(arena, 1,
						     sizeof(*script));
	if (!script)
		return &vds_enomem;
	script->name = name;
	script->text = vds_arena_strndup(arena, text, len);
	script->len = len;
	if (!script->text)
		return &vds_enomem;
	struct declaration d = {
		.lua = {.script = script,
			.max_memory = VDS_LUA_MEMORY_BYTES,
			.max_instructions = VDS_LUA_INSTRUCTIONS_COUNT},
		.arena = arena,
	};
	struct vds_error *err = vds_lua_open(&d.lua);
	if (!err)
		err = vds_lua_call(&d.lua, declare);
	vds_lua_close(&d.lua);
	*ret = err ? NULL : &script->plugin;
	*ret_fault = err ? vds_arena_strdup(arena, err->message) : NULL;
	script->plugin = d.plugin;
	bool nomem = err && !*ret_fault;
	vds_error_destroy(err);
	return nomem ? &vds_enomem : NULL;
}
