/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as YAML: docs/profile-format.md. */
#include "profile/emit.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "profile/spell.h"

/* Hostile input may let anonymous types hold each other in endless ways. */
#define MAX_DEPTH 32
#define MAX_ANONYMOUS 100000
/* Ten times a full profile of the largest kernel, and what can be loaded. */
#define MAX_OUTPUT ((size_t)64 << 20)
/* Bytes that are worth a call of the writer. */
#define FLUSH_AT ((size_t)64 << 10)
/* libyaml, as the YAML standard, takes no longer implicit keys. */
#define MAX_SIMPLE_KEY 1000

/* Plain words that YAML readers take for null, booleans or numbers. */
static bool is_special_word(const char *s)
{
	static const char *const words[] = {
		"null", "true", "false", "yes", "no", "on", "off", "y", "n",
		"~", "",
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(words); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_plain(const char *s, size_t len)
{
	if (!isalpha((unsigned char)s[0]) && s[0] != '_' && s[0] != '$' &&
	    s[0] != '<' && !(s[0] == '?' && len > 1 && s[1] != ' '))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
		if (s[i] == ':' && (i + 1 == len || s[i + 1] == ' '))
			return false;
		if (s[i] == '#' && s[i - 1] == ' ')
			return false;
	}
	return s[len - 1] != ' ' && !is_special_word(s);
}

static bool has_controls(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	}
	return false;
}

/* The only form of scalar that knows escapes. */
static void put_double_quoted(struct vds_str *out, const char *s)
{
	vds_str_putc(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == 0x7f)
			vds_str_printf(out, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			vds_str_printf(out, "\\%c", c);
		else
			vds_str_putc(out, *s);
	}
	vds_str_putc(out, '"');
}

void vds_emit_scalar(struct vds_str *out, const char *s)
{
	size_t len = strlen(s);
	if (len && is_plain(s, len)) {
		vds_str_append(out, s, len);
		return;
	}
	if (has_controls(s)) {
		put_double_quoted(out, s);
		return;
	}
	vds_str_putc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			vds_str_putc(out, '\'');
		vds_str_putc(out, *s);
	}
	vds_str_putc(out, '\'');
}

static void put_indent(struct vds_str *out, int indent)
{
	static const char spaces[] = "                ";
	vds_str_append(out, spaces, (size_t)VDS_MIN(indent, 16));
}

/* "key:", in the form that its length needs. */
static void put_key(struct vds_str *out, int indent, const char *key)
{
	put_indent(out, indent);
	if (strlen(key) <= MAX_SIMPLE_KEY) {
		vds_emit_scalar(out, key);
	} else {
		vds_str_puts(out, "? ");
		vds_emit_scalar(out, key);
		vds_str_putc(out, '\n');
		put_indent(out, indent);
	}
	vds_str_putc(out, ':');
}

static void put_hex(struct vds_str *out, uint64_t v)
{
	char buf[18];
	int i = sizeof(buf);
	do {
		buf[--i] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	vds_str_puts(out, "0x");
	vds_str_append(out, buf + i, sizeof(buf) - (size_t)i);
}

struct emitter {
	struct vds_str *out;
	struct vds_str text;	/* scratch for one value */
	uint64_t pointer_size;
	int indent;
	int anonymous;
};

static struct vds_error *member_path(struct vds_str *path, const char *owner,
				     const struct vds_member *m,
				     const char **ret)
{
	path->len = 0;
	vds_str_puts(path, owner);
	vds_str_putc(path, '.');
	vds_str_puts(path, m->name);
	*ret = vds_str_cstr(path);
	return *ret ? NULL : &vds_enomem;
}

static struct vds_error *put_member(struct emitter *e, const char *owner,
				    const struct vds_member *m)
{
	_cleanup_(vds_str_deinit) struct vds_str path = {0};
	const char *name = "", *core = vds_type_core(m->type)->name;
	if (!core[0]) {
		struct vds_error *err = member_path(&path, owner, m, &name);
		if (err)
			return err;
	}
	put_key(e->out, e->indent + 4, m->name);
	e->text.len = 0;
	put_hex(&e->text, m->offset);
	if (m->bit_len)
		vds_str_printf(&e->text, ":%u+%u", m->bit_pos, m->bit_len);
	vds_str_putc(&e->text, ' ');
	vds_spell_type(&e->text, m->type, name, e->pointer_size);
	const char *text = vds_str_cstr(&e->text);
	if (!text)
		return &vds_enomem;
	vds_str_putc(e->out, ' ');
	/* It begins with a digit, which is what makes it a plain scalar. */
	if (strstr(text, ": ") || strstr(text, " #") || has_controls(text) ||
	    text[strlen(text) - 1] == ':')
		vds_emit_scalar(e->out, text);
	else
		vds_str_puts(e->out, text);
	vds_str_putc(e->out, '\n');
	return NULL;
}

static void put_enum(struct emitter *e, const struct vds_type *t)
{
	put_key(e->out, e->indent + 2, "enum");
	vds_str_putc(e->out, ' ');
	vds_emit_scalar(e->out, t->target->name);
	vds_str_putc(e->out, '\n');
	if (!t->num_enumerators)
		return;
	put_key(e->out, e->indent + 2, "values");
	vds_str_putc(e->out, '\n');
	for (size_t i = 0; i < t->num_enumerators; i++) {
		put_key(e->out, e->indent + 4, t->enumerators[i].name);
		vds_str_printf(e->out, " %lld\n",
			       (long long)t->enumerators[i].value);
	}
}

static const char *const encodings[] = {
	[VDS_BASE_UNSIGNED] = "unsigned",
	[VDS_BASE_SIGNED] = "signed",
	[VDS_BASE_BOOL] = "bool",
	[VDS_BASE_CHAR] = "char",
	[VDS_BASE_WCHAR] = "wchar",
	[VDS_BASE_FLOAT] = "float",
};

const char *vds_encoding_name(enum vds_base_encoding encoding)
{
	return encodings[encoding];
}

bool vds_encoding_parse(const char *name, enum vds_base_encoding *ret)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(encodings); i++) {
		if (strcmp(name, encodings[i]) == 0) {
			*ret = (enum vds_base_encoding)i;
			return true;
		}
	}
	return false;
}

static struct vds_error *put_type(struct emitter *e, const char *name,
				  const struct vds_type *t, int depth);

/* The anonymous types that members lead to, each after its owner. */
static struct vds_error *put_anonymous(struct emitter *e, const char *owner,
				       const struct vds_type *t, int depth)
{
	for (size_t i = 0; i < t->num_members; i++) {
		const struct vds_type *core = vds_type_core(t->members[i].type);
		if (core->name[0])
			continue;
		_cleanup_(vds_str_deinit) struct vds_str path = {0};
		const char *name;
		struct vds_error *err = member_path(&path, owner,
						    &t->members[i], &name);
		if (!err)
			err = put_type(e, name, core, depth + 1);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *put_udt(struct emitter *e, const char *name,
				 const struct vds_type *t, int depth)
{
	put_key(e->out, e->indent + 2,
		t->kind == VDS_TYPE_UNION ? "union" : "struct");
	vds_str_putc(e->out, ' ');
	put_hex(e->out, t->size);
	vds_str_putc(e->out, '\n');
	if (t->num_members) {
		put_key(e->out, e->indent + 2, "members");
		vds_str_putc(e->out, '\n');
	}
	for (size_t i = 0; i < t->num_members; i++) {
		struct vds_error *err = put_member(e, name, &t->members[i]);
		if (err)
			return err;
	}
	return put_anonymous(e, name, t, depth);
}

static struct vds_error *put_type(struct emitter *e, const char *name,
				  const struct vds_type *t, int depth)
{
	if (depth > MAX_DEPTH || (depth && ++e->anonymous > MAX_ANONYMOUS))
		return vds_error_create(VDS_ERROR_FORMAT,
			"%.100s: anonymous types nest too deep", name);
	put_key(e->out, e->indent, name);
	vds_str_putc(e->out, '\n');
	switch (t->kind) {
	case VDS_TYPE_STRUCT:
	case VDS_TYPE_UNION:
		return put_udt(e, name, t, depth);
	case VDS_TYPE_ENUM:
		put_enum(e, t);
		return NULL;
	default:
		put_key(e->out, e->indent + 2, "base");
		vds_str_printf(e->out, " %s\n", vds_encoding_name(t->encoding));
		put_key(e->out, e->indent + 2, "size");
		vds_str_printf(e->out, " %llu\n", (unsigned long long)t->size);
		return NULL;
	}
}

struct vds_error *vds_emit_type(struct vds_str *out, const struct vds_type *type,
				uint64_t pointer_size, int indent)
{
	struct emitter e = {
		.out = out, .pointer_size = pointer_size, .indent = indent,
	};
	struct vds_error *err = put_type(&e, type->name, type, 0);
	bool failed = e.text.failed || out->failed;
	vds_str_deinit(&e.text);
	return err ? err : failed ? &vds_enomem : NULL;
}

static void put_symbol(struct vds_str *out, const struct vds_symbol *s,
		       int indent)
{
	put_key(out, indent, s->name);
	vds_str_putc(out, ' ');
	put_hex(out, s->rva);
	vds_str_putc(out, '\n');
}

void vds_emit_symbols(struct vds_str *out, const struct vds_profile *profile,
		      int indent)
{
	size_t n = vds_profile_num_symbols(profile);
	if (!n)
		return;
	put_key(out, indent, "symbols");
	vds_str_putc(out, '\n');
	for (size_t i = 0; i < n; i++)
		put_symbol(out, vds_profile_symbol_at(profile, i), indent + 2);
}

static void put_text(struct vds_str *out, int indent, const char *key,
		     const char *value)
{
	if (!value[0])
		return;
	put_key(out, indent, key);
	vds_str_putc(out, ' ');
	vds_emit_scalar(out, value);
	vds_str_putc(out, '\n');
}

static void put_number(struct vds_str *out, int indent, const char *key,
		       uint32_t value)
{
	if (!value)
		return;
	put_key(out, indent, key);
	vds_str_printf(out, " %u\n", value);
}

void vds_emit_identity(struct vds_str *out,
		       const struct vds_profile_identity *id, bool with_arch,
		       int indent)
{
	put_text(out, indent, "pdb", id->pdb);
	if (id->guid[0]) {
		/* Always quoted: some look like numbers to a YAML reader. */
		put_key(out, indent, "guid");
		vds_str_printf(out, " '%s'\n", id->guid);
	}
	put_number(out, indent, "age", id->age);
	if (with_arch)
		put_text(out, indent, "arch", id->arch);
	put_number(out, indent, "build", id->build);
	put_number(out, indent, "revision", id->revision);
	put_text(out, indent, "confidence",
		 id->confidence == VDS_PROFILE_SYMBOLS ? "symbols" : "published");
}

uint64_t vds_pointer_size(const struct vds_profile_identity *id)
{
	return strcmp(id->arch, "x86") ? 8 : 4;
}

/* Text on its way to whoever writes it. */
struct sink {
	struct vds_str *out;
	vds_profile_write_fn *write;	/* NULL: it stays in @out */
	void *ctx;
	size_t written;
};

/* Hands over what there is, if that is much or @all of it is due. */
static struct vds_error *flush(struct sink *sink, bool all)
{
	struct vds_str *out = sink->out;
	if (out->failed)
		return &vds_enomem;
	if (sink->written + out->len > MAX_OUTPUT)
		return vds_error_create(VDS_ERROR_FORMAT,
					"the profile is larger than %zu bytes",
					MAX_OUTPUT);
	if (!sink->write || (!all && out->len < FLUSH_AT) || !out->len)
		return NULL;
	struct vds_error *err = sink->write(sink->ctx, out->data, out->len);
	sink->written += out->len;
	out->len = 0;
	return err;
}

static struct vds_error *emit_all(const struct vds_profile *profile,
				  struct sink *sink)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	struct vds_str *out = sink->out;
	struct vds_error *err = NULL;
	vds_str_puts(out, "format: " VDS_PROFILE_FORMAT "\n");
	vds_emit_identity(out, id, true, 0);
	size_t types = vds_profile_num_types(profile);
	size_t symbols = vds_profile_num_symbols(profile);
	if (types)
		vds_str_puts(out, "types:\n");
	for (size_t i = 0; !err && i < types; i++) {
		err = vds_emit_type(out, vds_profile_type_at(profile, i),
				    vds_pointer_size(id), 2);
		if (!err)
			err = flush(sink, false);
	}
	if (symbols)
		vds_str_puts(out, "symbols:\n");
	for (size_t i = 0; !err && i < symbols; i++) {
		put_symbol(out, vds_profile_symbol_at(profile, i), 2);
		err = flush(sink, false);
	}
	return err ? err : flush(sink, true);
}

struct vds_error *vds_profile_emit(const struct vds_profile *profile,
				   struct vds_str *out)
{
	struct sink sink = {.out = out};
	return emit_all(profile, &sink);
}

struct vds_error *vds_profile_emit_to(const struct vds_profile *profile,
				      vds_profile_write_fn *write, void *ctx)
{
	_cleanup_(vds_str_deinit) struct vds_str buffer = {0};
	struct sink sink = {.out = &buffer, .write = write, .ctx = ctx};
	return emit_all(profile, &sink);
}
