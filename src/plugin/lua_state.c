/* SPDX-License-Identifier: Apache-2.0 */
/* A Lua state with a ceiling, and errors that say where they came from. */
#include "plugin/lua_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/util.h"

/* Instructions between two looks at the cap. */
#define STRIDE 1000
/*
 * A few instructions, such as comparing long strings, take long. None takes more
 * than a microsecond on the average, or the script ends; but seconds, which
 * differ from run to run, are looked at seldom, and decide only what would
 * otherwise seem to hang.
 */
#define LOOKS 64
#define LEAST_MICROSECONDS UINT64_C(5000000)
/* What an allocation costs, so that no single instruction is for nothing. */
#define BYTES_PER_INSTRUCTION 64
/*
 * Comparing strings is one instruction, however long they are. process:read()
 * gives 1 MiB at most.
 */
#define MAX_STRING ((size_t)2 << 20)

struct vds_lua *vds_lua_of(lua_State *L)
{
	return *(struct vds_lua **)lua_getextraspace(L);
}

/* True if @source, as Lua prints it, is the script and not the prelude. */
static bool is_script(const struct vds_lua *lua, const char *source)
{
	size_t len = strlen(lua->script->name);

	return !strncmp(source, lua->script->name, len) &&
	       !strncmp(source + len, ".lua", 4);
}

/* Which line of the script is running; nothing here allocates. */
static void locate(struct vds_lua *lua)
{
	lua_Debug at;

	lua->where[0] = 0;
	for (int level = 0; lua->L && lua_getstack(lua->L, level, &at);
	     level++) {
		if (lua_getinfo(lua->L, "Sl", &at) && at.currentline > 0 &&
		    is_script(lua, at.short_src)) {
			snprintf(lua->where, sizeof(lua->where), "%s:%d: ",
				 at.short_src, at.currentline);
			return;
		}
	}
}

static void *allocate(void *ctx, void *block, size_t old_size, size_t new_size)
{
	struct vds_lua *lua = ctx;
	/* Without a block, Lua passes the kind of object as its old size. */
	size_t held = block ? old_size : 0;

	if (!new_size) {
		free(block);
		lua->memory -= held;
		return NULL;
	}
	if (!block && old_size == LUA_TSTRING && new_size > MAX_STRING) {
		locate(lua);
		lua->too_long = true;
		return NULL;
	}
	if (new_size > held) {
		if (new_size - held > lua->max_memory ||
		    lua->memory > lua->max_memory - (new_size - held)) {
			locate(lua);
			return NULL;
		}
		lua->spent += (new_size - held) / BYTES_PER_INSTRUCTION;
	}
	void *bigger = realloc(block, new_size);
	if (bigger)
		lua->memory = lua->memory - held + new_size;
	return bigger;
}

static void count(lua_State *L, lua_Debug *at);

/* The script's last instruction, as a cap is used up. */
static void end(struct vds_lua *lua, uint64_t cap, const char *what)
{
	lua_State *L = lua->L;

	locate(lua);
	if (!lua->err)
		lua->err = vds_error_create(
			VDS_ERROR_PLUGIN, "%sit took more than %" PRIu64
			" %s (--" VDS_LUA_INSTRUCTIONS_OPTION ")",
			lua->where, cap, what);
	/* What is to be closed while Lua unwinds gets no other turn. */
	lua->live = false;
	lua->spent = UINT64_MAX / 2;
	lua_sethook(L, count, LUA_MASKCOUNT, 1);
	lua_pushnil(L);
	lua_error(L);
}

/* Of this thread, in ns. */
static uint64_t processor_time(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now))
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void spend(lua_State *L, uint64_t instructions)
{
	struct vds_lua *lua = vds_lua_of(L);

	lua->spent += instructions;
	/* While it is set up, nothing of the script runs. */
	if (lua->spent > lua->max_instructions && lua_gethook(L))
		end(lua, lua->max_instructions, "instructions");
}

static void count(lua_State *L, lua_Debug *at)
{
	struct vds_lua *lua = vds_lua_of(L);
	uint64_t most = VDS_MAX(lua->max_instructions, LEAST_MICROSECONDS);

	(void)at;
	spend(L, STRIDE);
	if (++lua->looks % LOOKS)
		return;
	if ((processor_time() - lua->started) / 1000 > most)
		end(lua, most / 1000000, "seconds of processor time");
}

void vds_lua_charge(lua_State *L, size_t bytes)
{
	spend(L, bytes / BYTES_PER_INSTRUCTION);
}

void vds_lua_hold(lua_State *L, size_t bytes)
{
	struct vds_lua *lua = vds_lua_of(L);

	lua->held += bytes;
	if (lua->held > lua->max_memory)
		luaL_error(L, "it needs more than %I bytes of memory "
			   "(--" VDS_LUA_MEMORY_OPTION ")",
			   (LUAI_UACINT)lua->max_memory);
}

void vds_lua_raise(struct vds_lua *lua, struct vds_error *err)
{
	if (!err)
		return;
	/* Others can come up while Lua unwinds from the first. */
	if (lua->err)
		vds_error_destroy(err);
	else
		lua->err = err;
	lua_pushnil(lua->L);
	lua_error(lua->L);
}

struct vds_lua *vds_lua_live(lua_State *L)
{
	struct vds_lua *lua = vds_lua_of(L);

	if (!lua->live)
		luaL_error(L, "this can be called within on_process, on_vad, "
			   "on_section, on_end and once only");
	return lua;
}

/* The error that made Lua unwind. The stack's top is Lua's message. */
static struct vds_error *failure(struct vds_lua *lua, int status)
{
	struct vds_error *err = vds_steal(lua->err);
	_cleanup_(vds_str_deinit) struct vds_str text = {0};
	size_t len = 0;

	if (err)
		return err;
	if (status == LUA_ERRMEM && lua->too_long)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"%sa string of more than %zu bytes",
					lua->where, MAX_STRING);
	if (status == LUA_ERRMEM)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"%sit needs more than %zu bytes "
					"of memory (--" VDS_LUA_MEMORY_OPTION
					")", lua->where, lua->max_memory);
	/* lua_tolstring() would allocate for a number. */
	const char *message = lua_type(lua->L, -1) == LUA_TSTRING ?
				      lua_tolstring(lua->L, -1, &len) : NULL;
	if (!message)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"%s.lua: error() with a value that is "
					"no text", lua->script->name);
	vds_str_put_utf8(&text, message, VDS_MIN(len, (size_t)1000));
	vds_str_putc(&text, 0);
	return text.failed ? &vds_enomem :
			     vds_error_create(VDS_ERROR_PLUGIN, "%s",
					      text.data);
}

/* Message handler: a message of the library's own says where, too. */
static int say_where(lua_State *L)
{
	struct vds_lua *lua = vds_lua_of(L);

	if (lua_type(L, 1) != LUA_TSTRING ||
	    is_script(lua, lua_tostring(L, 1)))
		return 1;
	locate(lua);
	lua_pushfstring(L, "%s%s", lua->where, lua_tostring(L, 1));
	return 1;
}

struct vds_error *vds_lua_call(struct vds_lua *lua, lua_CFunction function)
{
	lua_settop(lua->L, 0);
	lua_pushcfunction(lua->L, say_where);
	lua_pushcfunction(lua->L, function);
	int status = lua_pcall(lua->L, 0, 0, 1);
	return status ? failure(lua, status) : NULL;
}

static int set_up(lua_State *L)
{
	vds_lua_open_library(L);
	vds_lua_open_objects(L);
	vds_lua_open_reads(L);
	vds_lua_open_walks(L);
	lua_pushcfunction(L, vds_lua_emit);
	lua_setglobal(L, "emit");
	return 0;
}

static int execute(lua_State *L)
{
	const struct vds_script *script = vds_lua_of(L)->script;
	const char *name = lua_pushfstring(L, "=%s.lua", script->name);

	/* "t": a chunk of bytecode could do anything to the interpreter. */
	if (luaL_loadbufferx(L, script->text, script->len, name, "t"))
		lua_error(L);
	lua_call(L, 0, 0);
	return 0;
}

struct vds_error *vds_lua_open(struct vds_lua *lua)
{
	lua_State *L = lua_newstate(allocate, lua);

	if (!L)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"%s.lua: %zu bytes of memory are too "
					"few for any script (--"
					VDS_LUA_MEMORY_OPTION ")",
					lua->script->name, lua->max_memory);
	lua->L = L;
	*(struct vds_lua **)lua_getextraspace(L) = lua;
	struct vds_error *err = vds_lua_call(lua, set_up);
	if (err)
		return err;
	lua->spent = 0;
	lua->started = processor_time();
	lua_sethook(L, count, LUA_MASKCOUNT, STRIDE);
	return vds_lua_call(lua, execute);
}

void vds_lua_close(struct vds_lua *lua)
{
	if (lua->L)
		lua_close(lua->L);
	lua->L = NULL;
	vds_map_deinit(&lua->seen);
}
