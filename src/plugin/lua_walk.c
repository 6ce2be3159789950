/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts go through by themselves: processes(), process:vads(). */
#include "plugin/lua_state.h"

#include "base/util.h"
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

/* About what the host keeps for a walk: a stack of nodes, and those seen. */
#define WALK_BYTES ((lua_Integer)32 << 10)
#define SEEN_BYTES 32
#define MOST_SEEN ((uint64_t)1 << 20)
/* What it keeps of one that has ended; the next walk has the rest. */
#define ENDED_BYTES ((lua_Integer)4 << 10)

/* Upvalues: the walk, and the bytes held for it. */
static int next_vad(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	lua_Integer held = lua_tointeger(L, lua_upvalueindex(2));
	const struct vds_vad *vad;

	vad = vds_vad_next(lua_touserdata(L, lua_upvalueindex(1)));
	if (vad)
		vds_lua_push_vad(L, vad);
	else
		lua_pushnil(L);
	if (!vad && held > ENDED_BYTES) {
		lua->held -= (uint64_t)(held - ENDED_BYTES);
		lua_pushinteger(L, ENDED_BYTES);
		lua_replace(L, lua_upvalueindex(2));
	}
	return 1;
}

int vds_lua_process_vads(lua_State *L)
{
	const struct vds_process *process = vds_lua_to_process(L, 1);
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t seen = process->vad_count_why ? 0 : process->vad_count;

	lua_Integer held = WALK_BYTES +
			   SEEN_BYTES * (lua_Integer)VDS_MIN(seen, MOST_SEEN);

	vds_lua_hold(L, (size_t)held);
	struct vds_vad_iter *iter = vds_vad_iterate(process);

	if (!iter)
		vds_lua_raise(lua, &vds_enomem);
	lua_pushlightuserdata(L, iter);
	lua_pushinteger(L, held);
	lua_pushcclosure(L, next_vad, 2);
	return 1;
}

void vds_lua_open_walks(lua_State *L)
{
	lua_pushcfunction(L, processes);
	lua_setglobal(L, "processes");
}
