/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/where_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int compare_text(const char *a, size_t a_len, const char *b,
			size_t b_len)
{
	size_t n = VDS_MIN(a_len, b_len);
	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)fold(a[i]) - (unsigned char)fold(b[i]);
		if (d)
			return d;
	}
	return (a_len > b_len) - (a_len < b_len);
}

static bool contains(const char *s, size_t len, const char *part,
		     size_t part_len)
{
	for (size_t i = 0; part_len <= len && i <= len - part_len; i++) {
		if (!compare_text(s + i, part_len, part, part_len))
			return true;
	}
	return false;
}

static bool matches_glob(const char *glob, const char *s, size_t len)
{
	char small[256];
	_cleanup_free_ char *large = NULL;
	char *copy = small;
	if (len >= sizeof(small)) {
		copy = large = malloc(len + 1);
		if (!copy)
			return false;
	}
	memcpy(copy, s, len);
	copy[len] = 0;
	return vds_glob_match(glob, copy);
}

static bool is_ordered(enum operator op, int order)
{
	switch (op) {
	case OP_EQ:
	case OP_NE:	/* the caller turns it round */
		return order == 0;
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	case OP_GE:
		return order >= 0;
	case OP_LIKE:
	case OP_NOT_LIKE:
		break;
	}
	return false;
}

static bool test_text(const struct node *node, const char *s, size_t len)
{
	if (node->op != OP_LIKE && node->op != OP_NOT_LIKE)
		return is_ordered(node->op,
				  compare_text(s, len, node->s, node->len));
	return node->is_glob ? matches_glob(node->s, s, len) :
			       contains(s, len, node->s, node->len);
}

static bool test_number(const struct node *node, uint64_t v)
{
	return is_ordered(node->op, (v > node->u) - (v < node->u));
}

static bool test_bytes(const struct node *node, const struct vds_value *value)
{
	if (node->op == OP_LIKE || node->op == OP_NOT_LIKE)
		return value->count && memmem(value->bytes, value->count,
					      node->s, node->len);
	return value->count == node->len &&
	       !memcmp(value->bytes, node->s, node->len);
}

/* As the positive operator: != and !~ are turned round by the caller. */
static bool test_value(const struct node *node, const struct vds_value *value)
{
	switch (value->kind) {
	case VDS_KIND_INT:
		return is_ordered(node->op, (value->i > node->i) -
						    (value->i < node->i));
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
		return test_text(node, value->s ? value->s : "", value->count);
	case VDS_KIND_BYTES:
		return test_bytes(node, value);
	case VDS_KIND_INTS:
		for (uint32_t i = 0; i < value->count; i++) {
			if (test_number(node, value->list[i]))
				return true;
		}
		return false;
	case VDS_KIND_STRS:
		for (uint32_t i = 0; i < value->count;) {
			size_t len = strlen(value->s + i);
			if (test_text(node, value->s + i, len))
				return true;
			i += (uint32_t)len + 1;
		}
		return false;
	default:
		return test_number(node, value->u);
	}
}

static bool test_state(const struct node *node, const struct vds_value *value)
{
	enum vds_absence absence = VDS_ABSENCE_NONE;
	bool present = value->kind != VDS_KIND_NONE, is = false;
	if (!present)
		absence = vds_absence_of(value->why);
	switch (node->state) {
	case STATE_PRESENT:
		is = present;
		break;
	case STATE_ABSENT:
		is = !present;
		break;
	case STATE_UNREADABLE:
		is = absence == VDS_ABSENCE_UNREADABLE;
		break;
	case STATE_INVALID:
		is = absence == VDS_ABSENCE_INVALID;
		break;
	}
	return is != node->negated;
}

static bool test_leaf(const struct node *node, const struct vds_value *values)
{
	const struct vds_value *value = &values[node->column];
	if (node->kind == NODE_STATE)
		return test_state(node, value);
	if (value->kind == VDS_KIND_NONE)
		return false;
	if (node->kind == NODE_TRUE)
		return value->u;
	bool negative = node->op == OP_NE || node->op == OP_NOT_LIKE;
	return test_value(node, value) != negative;
}

/*
 * Children stand before their parents, so one pass over the nodes evaluates
 * the tree without recursion.
 */
bool vds_where_match(const struct vds_where *where,
		     const struct vds_value *values)
{
	bool results[MAX_NODES];
	for (size_t i = 0; i < where->count; i++) {
		const struct node *node = &where->nodes[i];
		switch (node->kind) {
		case NODE_AND:
			results[i] = results[node->left] &&
				     results[node->right];
			break;
		case NODE_OR:
			results[i] = results[node->left] ||
				     results[node->right];
			break;
		case NODE_NOT:
			results[i] = !results[node->left];
			break;
		default:
			results[i] = test_leaf(node, values);
		}
	}
	return results[where->root];
}
