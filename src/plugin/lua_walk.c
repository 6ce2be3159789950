/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts go through by themselves: processes(), process:vads(). */
#include "plugin/lua_state.h"

#include "vadose/run.h"
#include "vadose/vad.h"

/* The next process that --pid and --process choose. Upvalue: the index. */
static int next_process(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));

	for (; (size_t)i < vds_num_processes(lua->run); i++) {
		const struct vds_process *p =
			vds_process_at(lua->run, (size_t)i);

		if (!p)
			vds_lua_raise(lua, &vds_enomem);
		if (!p->selected)
			continue;
		lua_pushinteger(L, i + 1);
		lua_replace(L, lua_upvalueindex(1));
		vds_lua_push_process(L, p);
		return 1;
	}
	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(1));
	lua_pushnil(L);
	return 1;
}

/* for process in processes() do ... end, in the order of their table */
static int processes(lua_State *L)
{
	vds_lua_live(L);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_process, 1);
	return 1;
}

static int next_vad(lua_State *L)
{
	const struct vds_vad *vad;

	vds_lua_live(L);
	vad = vds_vad_next(lua_touserdata(L, lua_upvalueindex(1)));
	if (vad)
		vds_lua_push_vad(L, vad);
	else
		lua_pushnil(L);
	return 1;
}

int vds_lua_process_vads(lua_State *L)
{
	const struct vds_process *process = vds_lua_to_process(L, 1);
	struct vds_lua *lua = vds_lua_live(L);
	struct vds_vad_iter *iter = vds_vad_iterate(process);

	if (!iter)
		vds_lua_raise(lua, &vds_enomem);
	lua_pushlightuserdata(L, iter);
	lua_pushcclosure(L, next_vad, 1);
	return 1;
}

void vds_lua_open_walks(lua_State *L)
{
	lua_pushcfunction(L, processes);
	lua_setglobal(L, "processes");
}
