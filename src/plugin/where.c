/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/where_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "row/units.h"

struct parser {
	const char *text, *pos;	/* pos: behind the current token */
	const struct vds_schema *schema;
	struct vds_where *where;
	unsigned int depth;
	int named;		/* the column named last, or -1 */
	/* The current token. */
	const char *start;
	char *token;		/* its text, unquoted */
	bool quoted, end;
};

static struct vds_error *fault(const struct parser *p, const char *expected)
{
	return vds_error_create(VDS_ERROR_USAGE,
				"--where: character %zu: %s expected, not %s%s%s",
				(size_t)(p->start - p->text) + 1, expected,
				p->end ? "" : "'", p->end ? "the end" : p->token,
				p->end ? "" : "'");
}

static bool is_operator_char(char c)
{
	return c == '=' || c == '!' || c == '<' || c == '>' || c == '~';
}

static bool is_word_char(char c)
{
	return c && !strchr(" \t\r\n()'\"", c) && !is_operator_char(c);
}

/* Reads the next token. */
static struct vds_error *advance(struct parser *p)
{
	const char *s = p->pos;
	s += strspn(s, " \t\r\n");
	p->start = s;
	p->quoted = false;
	p->end = !*s;
	const char *first = s, *last;
	if (*s == '\'' || *s == '"') {
		last = strchr(s + 1, *s);
		if (!last)
			return vds_error_create(VDS_ERROR_USAGE,
						"--where: character %zu: the "
						"quote doesn't end",
						(size_t)(s - p->text) + 1);
		first = s + 1;
		p->pos = last + 1;
		p->quoted = true;
	} else if (*s == '(' || *s == ')') {
		p->pos = last = s + 1;
	} else if (is_operator_char(*s)) {
		while (is_operator_char(*s))
			s++;
		p->pos = last = s;
	} else {
		while (is_word_char(*s))
			s++;
		p->pos = last = s;
	}
	p->token = vds_arena_strndup(&p->where->arena, first,
				     (size_t)(last - first));
	return p->token ? NULL : &vds_enomem;
}

static bool at_word(const struct parser *p, const char *word)
{
	return !p->quoted && !p->end && vds_streq_nocase(p->token, word);
}

static struct vds_error *add_node(struct parser *p, struct node node,
				  uint32_t *ret)
{
	struct vds_where *where = p->where;
	if (where->count == MAX_NODES)
		return vds_error_create(VDS_ERROR_USAGE,
					"--where: the expression is too long");
	if (where->count == where->cap) {
		size_t cap = where->cap ? where->cap * 2 : 16;
		struct node *nodes = vds_arena_calloc(&where->arena, cap,
						      sizeof(*nodes));
		if (!nodes)
			return &vds_enomem;
		if (where->count)
			memcpy(nodes, where->nodes,
			       where->count * sizeof(*nodes));
		where->nodes = nodes;
		where->cap = cap;
	}
	where->nodes[where->count] = node;
	*ret = (uint32_t)where->count++;
	return NULL;
}

static bool parse_operator(const char *token, enum operator *ret)
{
	static const struct {
		const char *text;
		enum operator op;
	} table[] = {
		{"=", OP_EQ}, {"==", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT},
		{"<=", OP_LE}, {">", OP_GT}, {">=", OP_GE}, {"~", OP_LIKE},
		{"!~", OP_NOT_LIKE},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(table); i++) {
		if (!strcmp(table[i].text, token)) {
			*ret = table[i].op;
			return true;
		}
	}
	return false;
}

static bool parse_signed(const char *s, int64_t *ret)
{
	uint64_t v;
	bool negative = *s == '-';
	if (!vds_parse_size(s + negative, &v) || v > INT64_MAX)
		return false;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool parse_bool(const char *s, uint64_t *ret)
{
	bool yes = vds_streq_nocase(s, "yes") || vds_streq_nocase(s, "true") ||
		   !strcmp(s, "1");
	*ret = yes;
	return yes || vds_streq_nocase(s, "no") ||
	       vds_streq_nocase(s, "false") || !strcmp(s, "0");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "4d5a" into two bytes, in place of the text. */
static bool parse_hex_bytes(char *s, size_t *ret_len)
{
	size_t len = strlen(s);
	if (!len || len % 2)
		return false;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);
		if (high < 0 || low < 0)
			return false;
		s[i / 2] = (char)(high << 4 | low);
	}
	*ret_len = len / 2;
	return true;
}

/* Reads the current token as a value of the column's kind. */
static struct vds_error *parse_literal(struct parser *p, enum vds_kind kind,
				       struct node *node)
{
	const char *expected = "a number";
	bool good = true;
	node->s = p->token;
	node->len = strlen(p->token);
	node->is_glob = strpbrk(p->token, "*?") != NULL;
	switch (kind) {
	case VDS_KIND_BOOL:
		expected = "yes or no";
		good = parse_bool(p->token, &node->u);
		break;
	case VDS_KIND_INT:
		good = parse_signed(p->token, &node->i);
		break;
	case VDS_KIND_ADDR:
		expected = "an address";
		good = vds_parse_address(p->token, &node->u) ||
		       vds_parse_size(p->token, &node->u);
		break;
	case VDS_KIND_HEX:
	case VDS_KIND_SIZE:
	case VDS_KIND_INTS:
		good = vds_parse_size(p->token, &node->u);
		break;
	case VDS_KIND_TIME:
		expected = "a time like 2020-10-08T17:21";
		good = vds_parse_time(p->token, &node->u);
		break;
	case VDS_KIND_BYTES:
		expected = "bytes like 4d5a";
		good = parse_hex_bytes(p->token, &node->len);
		break;
	default:
		break;
	}
	if (p->end)
		return fault(p, "a value");
	return good ? NULL : fault(p, expected);
}

static struct vds_error *parse_state(struct parser *p, struct node *node)
{
	static const char *const states[] = {"present", "absent", "unreadable",
					     "invalid"};
	node->kind = NODE_STATE;
	if (at_word(p, "not")) {
		node->negated = true;
		struct vds_error *err = advance(p);
		if (err)
			return err;
	}
	for (size_t i = 0; i < VDS_ARRAY_SIZE(states); i++) {
		if (at_word(p, states[i])) {
			node->state = (enum state)i;
			return advance(p);
		}
	}
	return fault(p, "present, absent, unreadable or invalid");
}

/* True if @op means something for values of @kind. */
static bool fits(enum vds_kind kind, enum operator op)
{
	bool is_text = kind == VDS_KIND_STR || kind == VDS_KIND_FLAGS ||
		       kind == VDS_KIND_STRS || kind == VDS_KIND_BYTES;
	if (op == OP_LIKE || op == OP_NOT_LIKE)
		return is_text;
	return op == OP_EQ || op == OP_NE ||
	       (kind != VDS_KIND_BOOL && kind != VDS_KIND_BYTES);
}

/*
 * The column that the token names. A last word that several columns share
 * is that of the object spoken of: in `protection ~ EXECUTE and size > 64K`
 * the size of what has the protection.
 */
static int find_column(const struct parser *p)
{
	int column = vds_schema_find(p->schema, p->token);
	if (column != -2 || p->named < 0)
		return column;
	const char *named = p->schema->columns[p->named].name;
	const char *dot = strrchr(named, '.');
	size_t group = dot ? (size_t)(dot - named) + 1 : 0;
	for (size_t i = 0; group && i < p->schema->num_columns; i++) {
		const char *name = p->schema->columns[i].name;
		if (!strncmp(name, named, group) &&
		    !strcmp(name + group, p->token))
			return (int)i;
	}
	return column;
}

static struct vds_error *parse_comparison(struct parser *p, uint32_t *ret)
{
	struct node node = {.kind = NODE_COMPARE};
	if (p->end || p->quoted)
		return fault(p, "a column");
	int column = p->named = find_column(p);
	if (column < 0)
		return fault(p, column == -2 ? "the whole name of a column" :
					       "a column");
	node.column = (uint32_t)column;
	enum vds_kind kind = p->schema->columns[column].kind;
	struct vds_error *err = advance(p);
	if (err)
		return err;
	if (at_word(p, "is")) {
		err = advance(p);
		if (!err)
			err = parse_state(p, &node);
	} else if (!p->quoted && parse_operator(p->token, &node.op)) {
		if (!fits(kind, node.op))
			return fault(p, "an operator for such a column");
		err = advance(p);
		if (!err)
			err = parse_literal(p, kind, &node);
		if (!err)
			err = advance(p);
	} else if (kind == VDS_KIND_BOOL) {
		node.kind = NODE_TRUE;
	} else {
		return fault(p, "an operator");
	}
	return err ? err : add_node(p, node, ret);
}

static struct vds_error *parse_expr(struct parser *p, uint32_t *ret);

static struct vds_error *parse_factor(struct parser *p, uint32_t *ret)
{
	struct vds_error *err;
	if (p->depth >= MAX_DEPTH)
		return fault(p, "less nesting");
	p->depth++;
	if (at_word(p, "not")) {
		struct node node = {.kind = NODE_NOT};
		err = advance(p);
		if (!err)
			err = parse_factor(p, &node.left);
		if (!err)
			err = add_node(p, node, ret);
	} else if (at_word(p, "(")) {
		err = advance(p);
		if (!err)
			err = parse_expr(p, ret);
		if (!err)
			err = at_word(p, ")") ? advance(p) : fault(p, "')'");
	} else {
		err = parse_comparison(p, ret);
	}
	p->depth--;
	return err;
}

/* A chain of @word ("and", "or"): kept left-deep, so its depth is its length. */
static struct vds_error *
parse_chain(struct parser *p, const char *word, enum node_kind kind,
	    struct vds_error *(*part)(struct parser *, uint32_t *),
	    uint32_t *ret)
{
	struct vds_error *err = part(p, ret);
	while (!err && at_word(p, word)) {
		struct node node = {.kind = kind, .left = *ret};
		err = advance(p);
		if (!err)
			err = part(p, &node.right);
		if (!err)
			err = add_node(p, node, ret);
	}
	return err;
}

static struct vds_error *parse_term(struct parser *p, uint32_t *ret)
{
	return parse_chain(p, "and", NODE_AND, parse_factor, ret);
}

static struct vds_error *parse_expr(struct parser *p, uint32_t *ret)
{
	return parse_chain(p, "or", NODE_OR, parse_term, ret);
}

struct vds_error *vds_where_parse(const char *text,
				  const struct vds_schema *schema,
				  struct vds_where **ret)
{
	struct vds_where *where = calloc(1, sizeof(*where));
	if (!where)
		return &vds_enomem;
	struct parser p = {.text = text, .pos = text, .schema = schema,
			   .where = where, .named = -1};
	struct vds_error *err = advance(&p);
	if (!err)
		err = parse_expr(&p, &where->root);
	if (!err && !p.end)
		err = fault(&p, "'and', 'or' or the end");
	if (err) {
		vds_where_destroy(where);
		return err;
	}
	*ret = where;
	return NULL;
}

void vds_where_destroy(struct vds_where *where)
{
	if (!where)
		return;
	vds_arena_deinit(&where->arena);
	free(where);
}
