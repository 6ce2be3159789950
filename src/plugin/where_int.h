/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed expression: where.c makes it, where_match.c evaluates it. */
#ifndef VDS_PLUGIN_WHERE_INT_H
#define VDS_PLUGIN_WHERE_INT_H

#include "base/arena.h"
#include "plugin/where.h"

/* Expressions are typed by people; these bound what a fuzzer may do. */
#define MAX_DEPTH 50
#define MAX_NODES 1000

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_COMPARE, NODE_STATE,
		 NODE_TRUE };

enum operator { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_LIKE,
		OP_NOT_LIKE };

enum state { STATE_PRESENT, STATE_ABSENT, STATE_UNREADABLE, STATE_INVALID };

struct node {
	enum node_kind kind;
	uint32_t left, right;	/* AND, OR; left alone: NOT */
	uint32_t column;
	enum operator op;
	enum state state;
	bool negated;		/* "is not" */
	bool is_glob;
	int64_t i;
	uint64_t u;
	const char *s;		/* text, or bytes of BYTES */
	size_t len;
};

/* Children stand before their parents. */
struct vds_where {
	struct vds_arena arena;
	struct node *nodes;
	size_t count, cap;
	uint32_t root;
};

#endif
