/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/show.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "profile/spell.h"

/* Anonymous types are shown where they stand, as they can't be asked for. */
#define MAX_INDENT 16

/* Appends @name with what a terminal might obey made visible. */
static void put_name(struct vds_str *out, const char *name)
{
	size_t len = strlen(name), pos = 0, from = 0;
	int32_t c;
	while ((c = vds_utf8_next(name, len, &pos)) >= 0) {
		if (vds_is_unsafe_char(c))
			vds_str_printf(out, "\\u%04x", (unsigned int)c);
		else
			vds_str_append(out, name + from, pos - from);
		from = pos;
	}
}

/* dt's words for base types: Uint4B, Int8B, UChar, Wchar, Float... */
static void put_base(struct vds_str *out, const struct vds_type *t)
{
	unsigned int size = (unsigned int)t->size;
	switch (t->encoding) {
	case VDS_BASE_BOOL:
		vds_str_puts(out, "Bool");
		return;
	case VDS_BASE_CHAR:
		vds_str_puts(out, "Char");
		return;
	case VDS_BASE_WCHAR:
		vds_str_puts(out, "Wchar");
		return;
	case VDS_BASE_FLOAT:
		vds_str_printf(out, "Float%uB", size);
		return;
	case VDS_BASE_SIGNED:
		vds_str_printf(out, "Int%uB", size);
		return;
	case VDS_BASE_UNSIGNED:
		if (size == 1)
			vds_str_puts(out, "UChar");
		else
			vds_str_printf(out, "Uint%uB", size);
		return;
	}
}

static const char *kind_word(const struct vds_type *t)
{
	switch (t->kind) {
	case VDS_TYPE_UNION:
		return "union";
	case VDS_TYPE_ENUM:
		return "enum";
	case VDS_TYPE_STRUCT:
		return "struct";
	default:
		return "type";
	}
}

static void put_type(struct vds_str *out, const struct vds_type *t)
{
	for (; t->kind == VDS_TYPE_POINTER || t->kind == VDS_TYPE_ARRAY;
	     t = t->target) {
		if (t->kind == VDS_TYPE_ARRAY)
			vds_str_printf(out, "[%llu] ",
				       (unsigned long long)t->count);
		else
			vds_str_printf(out, "Ptr%u ",
				       (unsigned int)t->size * 8);
	}
	if (t->kind == VDS_TYPE_BASE && !strstr(t->name, "128"))
		put_base(out, t);
	else if (t->kind == VDS_TYPE_VOID)
		vds_str_puts(out, "Void");
	else if (t->kind == VDS_TYPE_FUNCTION)
		vds_str_puts(out, "Function");
	else if (t->name[0])
		put_name(out, t->name);
	else
		vds_str_printf(out, "<anonymous %s>", kind_word(t));
}

static void put_indent(struct vds_str *out, int indent)
{
	for (int i = 0; i < indent; i++)
		vds_str_puts(out, "   ");
}

static void put_enumerators(struct vds_str *out, const struct vds_type *t,
			    int indent)
{
	for (size_t i = 0; i < t->num_enumerators; i++) {
		put_indent(out, indent);
		put_name(out, t->enumerators[i].name);
		vds_str_printf(out, " = 0n%lld\n",
			       (long long)t->enumerators[i].value);
	}
}

static void put_members(struct vds_str *out, const struct vds_type *t,
			int indent);

static void put_member(struct vds_str *out, const struct vds_member *m,
		       const char *name, uint32_t offset, int indent)
{
	put_indent(out, indent);
	vds_str_printf(out, "+0x%03x ", offset);
	size_t at = out->len;
	put_name(out, name);
	while (out->len - at < 24 && !out->failed)
		vds_str_putc(out, ' ');
	vds_str_puts(out, " : ");
	if (m->bit_len) {
		vds_str_printf(out, "Pos %u, %u Bit%s\n", m->bit_pos, m->bit_len,
			       m->bit_len > 1 ? "s" : "");
		return;
	}
	put_type(out, m->type);
	vds_str_putc(out, '\n');
	const struct vds_type *core = vds_type_core(m->type);
	if (core->name[0] || indent >= MAX_INDENT)
		return;
	if (core->kind == VDS_TYPE_ENUM)
		put_enumerators(out, core, indent + 1);
	else
		put_members(out, core, indent + 1);
}

/* Offsets within an anonymous type are its own, as dt prints them. */
static void put_members(struct vds_str *out, const struct vds_type *t,
			int indent)
{
	for (size_t i = 0; i < t->num_members; i++)
		put_member(out, &t->members[i], t->members[i].name,
			   t->members[i].offset, indent);
}

static void put_head(struct vds_str *out, const struct vds_type *t)
{
	vds_str_printf(out, "%s ", kind_word(t));
	put_name(out, t->name);
	if (t->kind == VDS_TYPE_ENUM)
		vds_str_printf(out, ", %zu values", t->num_enumerators);
	else if (t->kind != VDS_TYPE_BASE)
		vds_str_printf(out, ", %zu members", t->num_members);
	vds_str_printf(out, ", 0x%llx bytes\n", (unsigned long long)t->size);
}

static void put_layout(struct vds_str *out, const struct vds_type *t)
{
	put_head(out, t);
	if (t->kind == VDS_TYPE_ENUM)
		put_enumerators(out, t, 1);
	else
		put_members(out, t, 1);
}

/* "_TYPE.member": that one, and what it is made of. */
static bool show_member(struct vds_str *out, const struct vds_profile *profile,
			const char *path)
{
	char name[512];
	size_t len = strcspn(path, ".");
	struct vds_field field;
	if (len >= sizeof(name) || !path[len])
		return false;
	memcpy(name, path, len);
	name[len] = '\0';
	const struct vds_type *type = vds_profile_type(profile, name);
	if (!type || !vds_type_member(type, path + len + 1, &field))
		return false;
	put_head(out, type);
	struct vds_member m = {
		.offset = field.offset, .bit_pos = field.bit_pos,
		.bit_len = field.bit_len, .type = field.type,
	};
	put_member(out, &m, path + len + 1, field.offset, 1);
	const struct vds_type *core = vds_type_core(field.type);
	if (core->name[0] && !m.bit_len && core == field.type)
		put_members(out, core, 2);
	return true;
}

bool vds_profile_show(struct vds_str *out, const struct vds_profile *profile,
		      const char *pattern)
{
	const struct vds_type *type = vds_profile_type(profile, pattern);
	bool found = type || show_member(out, profile, pattern);
	if (type)
		put_layout(out, type);
	for (size_t i = 0; !found && i < vds_profile_num_types(profile); i++) {
		const struct vds_type *t = vds_profile_type_at(profile, i);
		if (vds_glob_match(pattern, t->name))
			put_head(out, t);
	}
	for (size_t i = 0; i < vds_profile_num_symbols(profile); i++) {
		const struct vds_symbol *s = vds_profile_symbol_at(profile, i);
		if (!vds_glob_match(pattern, s->name))
			continue;
		vds_str_printf(out, "0x%08x ", s->rva);
		put_name(out, s->name);
		vds_str_putc(out, '\n');
	}
	return found || out->len;
}

void vds_profile_show_build(struct vds_str *out,
			    const struct vds_profile_identity *id)
{
	/* 6.1 is Windows 7, 6.2 is 8, 6.3 is 8.1, then it stayed at 10.0. */
	const char *version = id->build > 9600 ? "10.0" :
		id->build > 9200 ? "6.3" : id->build > 7601 ? "6.2" :
		id->build >= 7600 ? "6.1" : id->build >= 6000 ? "6.0" : "5";
	if (!id->build)
		vds_str_puts(out, "unknown");
	else if (!id->revision)
		vds_str_printf(out, "%u", id->build);
	else
		vds_str_printf(out, "%s.%u.%u", version, id->build,
			       id->revision);
}

void vds_profile_show_identity(struct vds_str *out,
			       const struct vds_profile *profile)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	size_t members = 0;
	for (size_t i = 0; i < vds_profile_num_types(profile); i++)
		members += vds_profile_type_at(profile, i)->num_members;
	vds_str_printf(out, "pdb         %s\nguid        %s\nage         %u\n"
		       "arch        %s\nbuild       ", id->pdb,
		       id->guid[0] ? id->guid : "unknown", id->age, id->arch);
	vds_profile_show_build(out, id);
	vds_str_printf(out, "\nconfidence  %s\ntypes       %zu, with %zu members\n"
		       "symbols     %zu\nfile        ",
		       id->confidence == VDS_PROFILE_SYMBOLS ? "symbols" :
		       "published", vds_profile_num_types(profile), members,
		       vds_profile_num_symbols(profile));
	put_name(out, vds_profile_path(profile));
	vds_str_printf(out, "\nsha256      %s\n", vds_profile_sha256(profile));
}
