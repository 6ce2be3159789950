/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/emit.h"
#include "profile/show.h"
#include "profile/spell.h"

/* Levels of anonymous types that are compared by path. */
#define MAX_DEPTH 16

struct diff {
	struct vds_str *out;
	struct vds_str head;	/* of the type at hand, until a line needs it */
	uint64_t pointer_a, pointer_b;
	size_t lines;
};

static void line(struct diff *d, const char *format, ...) VDS_PRINTF(2, 3);

static void line(struct diff *d, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0) {
		text = NULL;
		d->out->failed = true;
	}
	va_end(ap);
	if (!text)
		return;
	vds_str_append(d->out, d->head.data, d->head.len);
	d->head.len = 0;
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	vds_str_puts(d->out, text);
	vds_str_putc(d->out, '\n');
	d->lines++;
}

/* "0x30:7+5 unsigned long"; anonymous types are "<anonymous>". */
static void spell(struct vds_str *out, const struct vds_member *m,
		  uint64_t pointer_size)
{
	out->len = 0;
	vds_str_printf(out, "0x%x", m->offset);
	if (m->bit_len)
		vds_str_printf(out, ":%u+%u", m->bit_pos, m->bit_len);
	vds_str_putc(out, ' ');
	vds_spell_type(out, m->type, "<anonymous>", pointer_size);
	if (!vds_str_cstr(out))
		out->len = 0;
}

static const struct vds_member *member_of(const struct vds_type *t,
					  const char *name)
{
	for (size_t i = 0; i < t->num_members; i++) {
		if (strcmp(t->members[i].name, name) == 0)
			return &t->members[i];
	}
	return NULL;
}

static void diff_members(struct diff *d, const char *path,
			 const struct vds_type *a, const struct vds_type *b,
			 int depth);

static void diff_enumerators(struct diff *d, const char *path,
			     const struct vds_type *a, const struct vds_type *b);

/* Anonymous types at the core of both are compared under the member's path. */
static void diff_inner(struct diff *d, const char *path,
		       const struct vds_member *a, const struct vds_member *b,
		       int depth)
{
	const struct vds_type *x = vds_type_core(a->type);
	const struct vds_type *y = vds_type_core(b->type);
	char inner[1024];
	if (x->name[0] || y->name[0] || depth == MAX_DEPTH)
		return;
	snprintf(inner, sizeof(inner), "%s%s.", path, a->name);
	if (x->size != y->size)
		line(d, "  ~ %s%s: size 0x%llx -> 0x%llx", path, a->name,
		     (unsigned long long)x->size, (unsigned long long)y->size);
	diff_members(d, inner, x, y, depth + 1);
	diff_enumerators(d, inner, x, y);
}

static void diff_members(struct diff *d, const char *path,
			 const struct vds_type *a, const struct vds_type *b,
			 int depth)
{
	_cleanup_(vds_str_deinit) struct vds_str x = {0}, y = {0};
	for (size_t i = 0; i < a->num_members; i++) {
		const struct vds_member *m = &a->members[i];
		const struct vds_member *n = member_of(b, m->name);
		spell(&x, m, d->pointer_a);
		if (!n) {
			line(d, "  - %s%s: %s", path, m->name, x.data);
			continue;
		}
		spell(&y, n, d->pointer_b);
		if (x.len != y.len || memcmp(x.data, y.data, x.len))
			line(d, "  ~ %s%s: %s -> %s", path, m->name, x.data,
			     y.data);
		diff_inner(d, path, m, n, depth);
	}
	for (size_t i = 0; i < b->num_members; i++) {
		if (member_of(a, b->members[i].name))
			continue;
		spell(&y, &b->members[i], d->pointer_b);
		line(d, "  + %s%s: %s", path, b->members[i].name, y.data);
	}
}

static const struct vds_enumerator *enumerator_of(const struct vds_type *t,
						  const char *name)
{
	for (size_t i = 0; i < t->num_enumerators; i++) {
		if (strcmp(t->enumerators[i].name, name) == 0)
			return &t->enumerators[i];
	}
	return NULL;
}

static void diff_enumerators(struct diff *d, const char *path,
			     const struct vds_type *a, const struct vds_type *b)
{
	for (size_t i = 0; i < a->num_enumerators; i++) {
		const struct vds_enumerator *e = &a->enumerators[i];
		const struct vds_enumerator *f = enumerator_of(b, e->name);
		if (!f)
			line(d, "  - %s%s = %lld", path, e->name,
			     (long long)e->value);
		else if (f->value != e->value)
			line(d, "  ~ %s%s = %lld -> %lld", path, e->name,
			     (long long)e->value, (long long)f->value);
	}
	for (size_t i = 0; i < b->num_enumerators; i++) {
		if (!enumerator_of(a, b->enumerators[i].name))
			line(d, "  + %s%s = %lld", path, b->enumerators[i].name,
			     (long long)b->enumerators[i].value);
	}
}

static void diff_type(struct diff *d, const struct vds_type *a,
		      const struct vds_type *b)
{
	d->head.len = 0;
	if (a->size != b->size || a->kind != b->kind)
		line(d, "~ %s: %s0x%llx -> %s0x%llx bytes", a->name,
		     a->kind == VDS_TYPE_UNION ? "union of " : "",
		     (unsigned long long)a->size,
		     b->kind == VDS_TYPE_UNION ? "union of " : "",
		     (unsigned long long)b->size);
	else
		vds_str_printf(&d->head, "~ %s\n", a->name);
	diff_members(d, "", a, b, 0);
	diff_enumerators(d, "", a, b);
	d->head.len = 0;
}

static void diff_types(struct diff *d, const struct vds_profile *a,
		       const struct vds_profile *b)
{
	size_t i = 0, k = 0;
	size_t n = vds_profile_num_types(a), m = vds_profile_num_types(b);
	while (i < n || k < m) {
		const struct vds_type *x = NULL, *y = NULL;
		if (i < n)
			x = vds_profile_type_at(a, i);
		if (k < m)
			y = vds_profile_type_at(b, k);
		int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);
		if (order < 0)
			line(d, "- %s: 0x%llx bytes", x->name,
			     (unsigned long long)x->size);
		else if (order > 0)
			line(d, "+ %s: 0x%llx bytes", y->name,
			     (unsigned long long)y->size);
		else
			diff_type(d, x, y);
		i += order <= 0;
		k += order >= 0;
	}
}

static void diff_symbols(struct diff *d, const struct vds_profile *a,
			 const struct vds_profile *b)
{
	size_t i = 0, k = 0;
	size_t n = vds_profile_num_symbols(a), m = vds_profile_num_symbols(b);
	while (i < n || k < m) {
		const struct vds_symbol *x = NULL, *y = NULL;
		if (i < n)
			x = vds_profile_symbol_at(a, i);
		if (k < m)
			y = vds_profile_symbol_at(b, k);
		int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);
		if (order < 0)
			line(d, "- symbol %s: 0x%x", x->name, x->rva);
		else if (order > 0)
			line(d, "+ symbol %s: 0x%x", y->name, y->rva);
		else if (x->rva != y->rva)
			line(d, "~ symbol %s: 0x%x -> 0x%x", x->name, x->rva,
			     y->rva);
		i += order <= 0;
		k += order >= 0;
	}
}

size_t vds_profile_diff(struct vds_str *out, const struct vds_profile *a,
			const struct vds_profile *b)
{
	struct diff d = {
		.out = out,
		.pointer_a = vds_pointer_size(vds_profile_identity(a)),
		.pointer_b = vds_pointer_size(vds_profile_identity(b)),
	};
	diff_types(&d, a, b);
	diff_symbols(&d, a, b);
	out->failed |= d.head.failed;
	vds_str_deinit(&d.head);
	return d.lines;
}
