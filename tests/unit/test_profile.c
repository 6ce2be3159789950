/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "profile/model.h"
#include "profile/profile.h"
#include "profile/show.h"

static const char sample[] =
	"format: vadose-profile/1\n"
	"pdb: ntkrnlmp.pdb\n"
	"guid: '8B11040A5928757B11390AC78F6B6925'\n"
	"age: 1\n"
	"arch: x64\n"
	"build: 22000\n"
	"revision: 194\n"
	"confidence: symbols\n"
	"types:\n"
	"  _EX_PUSH_LOCK:\n"
	"    struct: 0x8\n"
	"    members:\n"
	"      Locked: 0x0:0+1 unsigned long long\n"
	"      Value: 0x0 unsigned long long\n"
	"      Waiting: 0x0:1+1 unsigned long long\n"
	"  _MMVAD_FLAGS:\n"
	"    struct: 0x4\n"
	"    members:\n"
	"      Lock: 0x0:0+1 unsigned long\n"
	"      Protection: 0x0:7+5 unsigned long\n"
	"  _MMVAD_SHORT:\n"
	"    struct: 0x40\n"
	"    members:\n"
	"      NextVad: 0x0 _MMVAD_SHORT*\n"
	"      StartingVpn: 0x18 unsigned long\n"
	"      PushLock: 0x28 _EX_PUSH_LOCK\n"
	"      u: 0x30 _MMVAD_SHORT.u\n"
	"      Rows: 0x34 unsigned char[3][2]\n"
	"      Callback: 0x38 function*\n"
	"  _MMVAD_SHORT.u:\n"
	"    union: 0x4\n"
	"    members:\n"
	"      LongFlags: 0x0 unsigned long\n"
	"      VadFlags: 0x0 _MMVAD_FLAGS\n"
	"  _POOL_TYPE:\n"
	"    enum: int\n"
	"    values:\n"
	"      MaxPoolType: -1\n"
	"      NonPagedPool: 0\n"
	"symbols:\n"
	"  '@odd: name': 0x10\n"
	"  PsActiveProcessHead: 0x227b90\n"
	"  \"\\x7fthunk\\\\\": 0x20\n";

static struct vds_profile *parse(const char *text)
{
	struct vds_profile *p = NULL;
	struct vds_error *err = vds_profile_parse("t.yaml", text, strlen(text),
						  &p);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	return p;
}

START_TEST(identity_types_and_symbols_are_found)
{
	struct vds_profile *p = parse(sample);
	const struct vds_profile_identity *id = vds_profile_identity(p);
	ck_assert_str_eq(id->pdb, "ntkrnlmp.pdb");
	ck_assert_str_eq(id->guid, "8B11040A5928757B11390AC78F6B6925");
	ck_assert_uint_eq(id->age, 1);
	ck_assert_str_eq(id->arch, "x64");
	ck_assert_uint_eq(id->build, 22000);
	ck_assert_uint_eq(id->revision, 194);
	ck_assert_int_eq(id->confidence, VDS_PROFILE_SYMBOLS);
	ck_assert_str_eq(vds_profile_path(p), "t.yaml");
	ck_assert_uint_eq(strlen(vds_profile_sha256(p)), 64);

	ck_assert_uint_eq(vds_profile_num_types(p), 4);
	ck_assert_str_eq(vds_profile_type_at(p, 0)->name, "_EX_PUSH_LOCK");
	ck_assert_str_eq(vds_profile_type_at(p, 3)->name, "_POOL_TYPE");
	const struct vds_type *e = vds_profile_type(p, "_POOL_TYPE");
	ck_assert_int_eq(e->kind, VDS_TYPE_ENUM);
	ck_assert_uint_eq(e->size, 4);
	ck_assert_int_eq(e->enumerators[0].value, -1);
	ck_assert_str_eq(e->enumerators[1].name, "NonPagedPool");
	ck_assert_ptr_null(vds_profile_type(p, "_EPROCESS"));
	ck_assert_ptr_null(vds_profile_type(p, "_MMVAD_SHORT.u"));
	ck_assert_uint_eq(vds_profile_type(p, "unsigned long")->size, 4);

	uint32_t rva = 7;
	ck_assert(vds_profile_symbol(p, "PsActiveProcessHead", &rva));
	ck_assert_uint_eq(rva, 0x227b90);
	ck_assert(vds_profile_symbol(p, "@odd: name", &rva));
	ck_assert_uint_eq(rva, 0x10);
	ck_assert(vds_profile_symbol(p, "\x7f" "thunk\\", &rva));
	ck_assert_uint_eq(rva, 0x20);
	ck_assert(!vds_profile_symbol(p, "PsActiveProcess", &rva));
	ck_assert_uint_eq(rva, 0x20);
	vds_profile_destroy(p);
}
END_TEST

START_TEST(members_are_found_by_path)
{
	struct vds_profile *p = parse(sample);
	const struct vds_type *t = vds_profile_type(p, "_MMVAD_SHORT");
	struct vds_field f;
	ck_assert(vds_type_member(t, "u.VadFlags.Protection", &f));
	ck_assert_uint_eq(f.offset, 0x30);
	ck_assert_uint_eq(f.size, 4);
	ck_assert_uint_eq(f.bit_pos, 7);
	ck_assert_uint_eq(f.bit_len, 5);
	ck_assert(vds_type_member(t, "u", &f));
	ck_assert_int_eq(f.type->kind, VDS_TYPE_UNION);
	ck_assert_str_eq(f.type->name, "");
	ck_assert(vds_type_member(t, "NextVad", &f));
	ck_assert_uint_eq(f.size, 8);
	ck_assert_int_eq(f.type->kind, VDS_TYPE_POINTER);
	ck_assert_ptr_eq(f.type->target, t);
	ck_assert(vds_type_member(t, "Callback", &f));
	ck_assert_int_eq(f.type->target->kind, VDS_TYPE_FUNCTION);
	/* As in C: three arrays of two. */
	ck_assert(vds_type_member(t, "Rows", &f));
	ck_assert_uint_eq(f.size, 6);
	ck_assert_uint_eq(f.type->count, 3);
	ck_assert_uint_eq(f.type->target->count, 2);

	static const char *const absent[] = {
		"", ".", "u.", ".u", "u..VadFlags", "u.VadFlags.Nope", "Pushlock",
		"NextVad.u", "u.VadFlags.Protection.x", "StartingVp",
		"StartingVpnX", "u.VadFlags.Lock.",
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(absent); i++) {
		f.present = true;
		ck_assert_msg(!vds_type_member(t, absent[i], &f), "%s", absent[i]);
		ck_assert(!f.present);
	}
	vds_profile_destroy(p);
}
END_TEST

START_TEST(field_values_are_extracted)
{
	struct vds_profile *p = parse(sample);
	const struct vds_type *t = vds_profile_type(p, "_MMVAD_SHORT");
	struct vds_field f;
	uint8_t record[0x40] = {0};
	uint64_t v = 99;
	record[0x30] = 0x81;
	record[0x31] = 0xf2;
	ck_assert(vds_type_member(t, "u.VadFlags.Protection", &f));
	ck_assert_int_eq(vds_field_get(&f, record, sizeof(record), &v), VDS_PRESENT);
	ck_assert_uint_eq(v, 0x05);	/* bits 7..11 of 0xf281 */
	ck_assert_int_eq(vds_field_get(&f, record, 0x33, &v), VDS_BAD_DATA);
	ck_assert_int_eq(vds_field_get(&f, record, 0x34, &v), VDS_PRESENT);
	ck_assert(vds_type_member(t, "PushLock", &f));
	ck_assert_int_eq(vds_field_get(&f, record, sizeof(record), &v), VDS_PRESENT);
	ck_assert_uint_eq(v, 0);
	ck_assert(!vds_type_member(t, "Gone", &f));
	v = 99;
	ck_assert_int_eq(vds_field_get(&f, record, sizeof(record), &v), VDS_NO_FIELD);
	ck_assert_uint_eq(v, 99);
	vds_profile_destroy(p);
}
END_TEST

START_TEST(emit_gives_back_the_canonical_text)
{
	struct vds_profile *p = parse(sample);
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	ck_assert_ptr_null(vds_profile_emit(p, &out));
	ck_assert_str_eq(vds_str_cstr(&out), sample);
	vds_profile_destroy(p);
}
END_TEST

START_TEST(unnamed_members_are_lifted)
{
	struct vds_profile *p = parse(
		"format: vadose-profile/1\n"
		"arch: x86\n"
		"types:\n"
		"  _S:\n"
		"    struct: 0x10\n"
		"    members:\n"
		"      '': 0x4 _S.in\n"
		"      p: 0x0 void*\n"
		"      q: 0x8 void*8\n"
		"  _S.in:\n"
		"    union: 0x4\n"
		"    members:\n"
		"      '': 0x0 _S.in.deep\n"
		"      all: 0x0 unsigned long\n"
		"  _S.in.deep:\n"
		"    struct: 0x4\n"
		"    members:\n"
		"      low: 0x0 unsigned short\n"
		"      high: 0x2:3+4 unsigned short\n");
	const struct vds_type *t = vds_profile_type(p, "_S");
	struct vds_field f;
	ck_assert_uint_eq(t->num_members, 5);
	ck_assert(vds_type_member(t, "high", &f));
	ck_assert_uint_eq(f.offset, 6);
	ck_assert_uint_eq(f.bit_pos, 3);
	ck_assert(vds_type_member(t, "all", &f));
	ck_assert_uint_eq(f.offset, 4);
	ck_assert(vds_type_member(t, "p", &f));
	ck_assert_uint_eq(f.size, 4);
	ck_assert(vds_type_member(t, "q", &f));
	ck_assert_uint_eq(f.size, 8);
	vds_profile_destroy(p);
}
END_TEST

/* Every refusal says where. */
static const struct {
	const char *yaml;
	const char *message;	/* begins with */
} bad[] = {
	{"", "t.yaml:1:1: empty"},
	{"- a\n", "t.yaml:1:1: expected a profile"},
	{"pdb: x\n", "t.yaml:1:6: not a profile: its first key"},
	{"format: other/1\n", "t.yaml:"},
	{"format: &a vadose-profile/1\n", "t.yaml:1:9: anchors"},
	{"format: !!str vadose-profile/1\n", "t.yaml:1:9: tags"},
	{"format: vadose-profile/1\npdb: *a\n", "t.yaml:2:6: aliases"},
	{"format: vadose-profile/1\nformat: vadose-profile/1\n",
	 "t.yaml:2:1: format: duplicate key"},
	{"format: vadose-profile/1\ncolour: red\n",
	 "t.yaml:2:1: colour: unknown key"},
	{"format: vadose-profile/1\nage: 01\n", "t.yaml:2:6: age: not an integer"},
	{"format: vadose-profile/1\nage: 4294967296\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: -1\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: 0X1\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: 0xA\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: 0x\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: ''\n", "t.yaml:2:6: age"},
	{"format: vadose-profile/1\nage: [1]\n", "t.yaml:2:6: expected a plain"},
	{"format: vadose-profile/1\nguid: 8b11040a\n", "t.yaml:2:7: guid"},
	{"format: vadose-profile/1\narch: mips\n", "t.yaml:"},
	{"format: vadose-profile/1\ntypes: 7\n", "t.yaml:2:8: expected a mapping"},
	{"format: vadose-profile/1\ntypes:\n  A: {struct: 1}\n  A: {struct: 1}\n",
	 "t.yaml:4:6: A: defined twice"},
	{"format: vadose-profile/1\ntypes:\n  int: {struct: 1}\n",
	 "t.yaml:3:8: int: defined twice"},
	{"format: vadose-profile/1\ntypes:\n  A: {}\n", "t.yaml:"},
	{"format: vadose-profile/1\ntypes:\n  A: {struct: 1, union: 1}\n",
	 "t.yaml:3:"},
	{"format: vadose-profile/1\ntypes:\n  A: {members: {}}\n",
	 "t.yaml:3:16: members: not for"},
	{"format: vadose-profile/1\ntypes:\n  A: {size: 4}\n", "t.yaml:3:13: size"},
	{"format: vadose-profile/1\ntypes:\n  A: {enum: int, members: {}}\n",
	 "t.yaml:3:27: members: not for"},
	{"format: vadose-profile/1\ntypes:\n  A: {enum: B, values: {x: 1}}\n",
	 "t.yaml:3:"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0 int\n      a: 0x0 int\n", "t.yaml:7:7: a: duplicate key"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x1 int\n", "t.yaml:6:7: A.a: 0x1 + 0x4 bytes is outside"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0:31+2 int\n", "t.yaml:6:7: A.a: bits 31+2 are outside"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0:0+1 B\n", "t.yaml:6:7: A.a: bits 0+1 are outside"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0:0+0 int\n", "t.yaml:6:10: a: expected OFFSET"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0\n", "t.yaml:6:10: a: expected OFFSET"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0 *\n", "t.yaml:6:10: no type name"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0 A\n", "t.yaml:3:3: A: contains itself"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      '': 0x0 A\n", "t.yaml:3:3: A: unnamed members nest"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      a: 0x0 int[4611686018427387904]\n", "t.yaml:"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      u: 0x0 A.u\n", "t.yaml:6:7: A.u: there is no such anonymous"},
	{"format: vadose-profile/1\ntypes:\n  A:\n    struct: 4\n    members:\n"
	 "      u.v: 0x0 int\n", "t.yaml:6:12: u.v: a '.' in a member"},
	{"format: vadose-profile/1\nsymbols: {a: 1, a: 2}\n",
	 "t.yaml:2:17: a: duplicate key"},
	{"format: vadose-profile/1\nsymbols: {a: 0x100000000}\n",
	 "t.yaml:2:14: address: not an integer"},
	{"format: vadose-profile/1\n---\nformat: vadose-profile/1\n",
	 "t.yaml:2:1: a second document"},
	{"format: vadose-profile/1\nsymbols: [[[[\n", "t.yaml:2:10: expected"},
	{"format: vadose-profile/1\n\tage: 1\n", "t.yaml:2:1: "},
	{"format: vadose-profile/1\nlayers: {}\n", "t.yaml:2:9: layers: `kernels`"},
	{"format: \xff\n", "t.yaml:1:1: invalid"},
};

START_TEST(bad_profiles_are_refused_with_position)
{
	struct vds_profile *p;
	struct vds_error *err = vds_profile_parse("t.yaml", bad[_i].yaml,
						  strlen(bad[_i].yaml), &p);
	ck_assert_msg(err, "accepted: %s", bad[_i].yaml);
	ck_assert_int_eq(err->code, VDS_ERROR_FORMAT);
	ck_assert_msg(strncmp(err->message, bad[_i].message,
			      strlen(bad[_i].message)) == 0,
		      "%s\nis not\n%s", err->message, bad[_i].message);
	vds_error_destroy(err);
}
END_TEST

START_TEST(nul_in_a_name_is_refused)
{
	static const char text[] = "format: vadose-profile/1\npdb: \"a\\0b\"\n";
	struct vds_profile *p;
	struct vds_error *err = vds_profile_parse("t.yaml", text,
						  sizeof(text) - 1, &p);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message,
			 "t.yaml:2:6: NUL characters are not allowed");
	vds_error_destroy(err);
}
END_TEST

/* The same facts in another order, with a type that nobody asked for. */
START_TEST(model_is_canonical_and_trims)
{
	struct vds_model *m;
	struct vds_model_type *s, *u, *ul, *late, *array, *ptr, *other;
	struct vds_profile *p;
	const char *keep[] = {"_S.p", "_S.u", "_S.z", "_GONE.x"}, *sym[] = {"b"};
	ck_assert_ptr_null(vds_model_create(&m));
	ck_assert(vds_model_base(m, "unsigned long", &ul));
	ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_STRUCT, "_S", 2, 0x20,
					    NULL, &s));
	ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_UNION, NULL, 0, 4, NULL,
					    &u));
	ck_assert_ptr_null(vds_model_named(m, "_LATE", 5, &late));
	ck_assert_ptr_null(vds_model_named(m, "_OTHER", 6, &other));
	ck_assert_ptr_null(vds_model_array(m, late, 2, &array));
	ck_assert_ptr_null(vds_model_pointer(m, other, 0, &ptr));
	ck_assert_ptr_null(vds_model_member(m, u, "x", 1, 0, 4, 2, ul));
	ck_assert_ptr_null(vds_model_member(m, s, "z", 1, 0x10, 0, 0, array));
	ck_assert_ptr_null(vds_model_member(m, s, "p", 1, 8, 0, 0, ptr));
	ck_assert_ptr_null(vds_model_member(m, s, "no", 2, 0x18, 0, 0, other));
	ck_assert_ptr_null(vds_model_member(m, s, "u", 1, 0, 0, 0, u));
	ck_assert_ptr_null(vds_model_member(m, s, "u", 1, 4, 0, 0, u));
	ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_STRUCT, "_LATE", 5, 8,
					    NULL, &late));
	ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_STRUCT, "_OTHER", 6, 8,
					    NULL, &other));
	ck_assert_ptr_null(vds_model_symbol(m, "b", 1, 9));
	ck_assert_ptr_null(vds_model_symbol(m, "a", 1, 1));
	ck_assert_ptr_null(vds_model_symbol(m, "b", 1, 3));
	ck_assert_ptr_null(vds_model_trim(m, keep, 4, sym, 1));
	ck_assert_ptr_null(vds_model_finish(m, NULL, NULL, 0, &p));
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	ck_assert_ptr_null(vds_profile_emit(p, &out));
	ck_assert_str_eq(vds_str_cstr(&out),
		"format: vadose-profile/1\n"
		"confidence: symbols\n"
		"types:\n"
		"  _LATE:\n"
		"    struct: 0x8\n"
		"  _S:\n"
		"    struct: 0x20\n"
		"    members:\n"
		"      u: 0x4 _S.u\n"
		"      p: 0x8 _OTHER*\n"
		"      z: 0x10 _LATE[2]\n"
		"  _S.u:\n"
		"    union: 0x4\n"
		"    members:\n"
		"      x: 0x0:4+2 unsigned long\n"
		"symbols:\n"
		"  b: 0x3\n");
	const struct vds_type *t = vds_profile_type(p, "_S");
	ck_assert_int_eq(t->members[1].type->target->kind, VDS_TYPE_OPAQUE);
	ck_assert_ptr_null(vds_profile_type(p, "_OTHER"));
	vds_profile_destroy(p);
}
END_TEST

/* Names that a hostile or C++ PDB may have, and what becomes of them. */
START_TEST(odd_names_stay_what_they_are)
{
	static const char *const names[] = {
		"int*", "a[2]", "b*4", "c.d", "Foo<int *>", "e ", "op[]", " f",
		"g: h", "yes", "1", "\n", "\xff", ("\xe2\x80\xae" "x"),
	};
	static const char *const expected[] = {
		"int_", "a[2_", "b*_", "c_d", "Foo<int *>", "e_", "op[]", " f",
		"g: h", "yes", "1", "\n", "\xef\xbf\xbd", ("\xef\xbf\xbd" "x"),
	};
	struct vds_model *m;
	struct vds_model_type *t, *s;
	struct vds_profile *p, *q;
	_cleanup_(vds_str_deinit) struct vds_str one = {0}, two = {0};
	ck_assert_ptr_null(vds_model_create(&m));
	ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_STRUCT, "S", 1, 64,
					    NULL, &s));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i]);
		ck_assert_ptr_null(vds_model_define(m, VDS_TYPE_UNION, names[i],
						    len, 1, NULL, &t));
		ck_assert_ptr_null(vds_model_member(m, s, names[i], len,
						    (uint32_t)i, 0, 0, t));
		ck_assert_ptr_null(vds_model_symbol(m, names[i], len, 1));
	}
	ck_assert_ptr_null(vds_model_finish(m, NULL, NULL, 0, &p));
	ck_assert_ptr_null(vds_profile_emit(p, &one));
	q = parse(vds_str_cstr(&one));
	ck_assert_ptr_null(vds_profile_emit(q, &two));
	ck_assert_str_eq(one.data, vds_str_cstr(&two));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(names); i++)
		ck_assert_msg(vds_profile_type(q, expected[i]), "%s",
			      expected[i]);
	const struct vds_type *type = vds_profile_type(q, "S");
	ck_assert_uint_eq(type->num_members, VDS_ARRAY_SIZE(names));
	ck_assert_str_eq(type->members[0].type->name, "int_");
	vds_profile_destroy(p);
	vds_profile_destroy(q);
}
END_TEST

START_TEST(show_prints_what_dt_prints)
{
	struct vds_profile *p = parse(sample);
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	ck_assert(vds_profile_show(&out, p, "_MMVAD_SHORT"));
	ck_assert_str_eq(vds_str_cstr(&out),
		"struct _MMVAD_SHORT, 6 members, 0x40 bytes\n"
		"   +0x000 NextVad                  : Ptr64 _MMVAD_SHORT\n"
		"   +0x018 StartingVpn              : Uint4B\n"
		"   +0x028 PushLock                 : _EX_PUSH_LOCK\n"
		"   +0x030 u                        : <anonymous union>\n"
		"      +0x000 LongFlags                : Uint4B\n"
		"      +0x000 VadFlags                 : _MMVAD_FLAGS\n"
		"   +0x034 Rows                     : [3] [2] UChar\n"
		"   +0x038 Callback                 : Ptr64 Function\n");
	out.len = 0;
	ck_assert(vds_profile_show(&out, p, "_MMVAD_SHORT.u.VadFlags"));
	ck_assert_str_eq(vds_str_cstr(&out),
		"struct _MMVAD_SHORT, 6 members, 0x40 bytes\n"
		"   +0x030 u.VadFlags               : _MMVAD_FLAGS\n"
		"      +0x000 Lock                     : Pos 0, 1 Bit\n"
		"      +0x000 Protection               : Pos 7, 5 Bits\n");
	out.len = 0;
	ck_assert(vds_profile_show(&out, p, "_POOL_TYPE"));
	ck_assert_str_eq(vds_str_cstr(&out),
		"enum _POOL_TYPE, 2 values, 0x4 bytes\n"
		"   MaxPoolType = 0n-1\n"
		"   NonPagedPool = 0n0\n");
	out.len = 0;
	ck_assert(vds_profile_show(&out, p, "*thunk*"));
	ck_assert_str_eq(vds_str_cstr(&out), "0x00000020 \\u007fthunk\\\n");
	out.len = 0;
	ck_assert(!vds_profile_show(&out, p, "_GONE"));
	ck_assert(!vds_profile_show(&out, p, "_MMVAD_SHORT.gone"));
	ck_assert_uint_eq(out.len, 0);
	vds_profile_destroy(p);
}
END_TEST

START_TEST(diff_says_what_moved)
{
	struct vds_profile *a = parse(sample), *b = parse(
		"format: vadose-profile/1\narch: x64\ntypes:\n"
		"  _MMVAD_FLAGS:\n    struct: 0x4\n    members:\n"
		"      Lock: 0x0:0+1 unsigned long\n"
		"      Protection: 0x0:3+5 unsigned long\n"
		"  _MMVAD_SHORT:\n    struct: 0x48\n    members:\n"
		"      NextVad: 0x0 _MMVAD_SHORT*\n"
		"      StartingVpn: 0x18 unsigned long\n"
		"      PushLock: 0x28 _EX_PUSH_LOCK\n"
		"      u: 0x30 _MMVAD_SHORT.u\n"
		"      Callback: 0x40 function*\n"
		"  _MMVAD_SHORT.u:\n    union: 0x8\n    members:\n"
		"      LongFlags: 0x0 unsigned long long\n"
		"      VadFlags: 0x0 _MMVAD_FLAGS\n"
		"  _NEW:\n    struct: 0x4\n"
		"  _POOL_TYPE:\n    enum: int\n    values:\n"
		"      NonPagedPool: 7\n"
		"symbols:\n"
		"  '@odd: name': 0x10\n"
		"  PsActiveProcessHead: 0x300\n"
		"  PsNew: 0x4\n");
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	ck_assert_uint_eq(vds_profile_diff(&out, a, a), 0);
	ck_assert_uint_eq(out.len, 0);
	size_t n = vds_profile_diff(&out, a, b);
	ck_assert_str_eq(vds_str_cstr(&out),
		"- _EX_PUSH_LOCK: 0x8 bytes\n"
		"~ _MMVAD_FLAGS\n"
		"  ~ Protection: 0x0:7+5 unsigned long -> 0x0:3+5 unsigned long\n"
		"~ _MMVAD_SHORT: 0x40 -> 0x48 bytes\n"
		"  ~ u: size 0x4 -> 0x8\n"
		"  ~ u.LongFlags: 0x0 unsigned long -> 0x0 unsigned long long\n"
		"  - Rows: 0x34 unsigned char[3][2]\n"
		"  ~ Callback: 0x38 function* -> 0x40 function*\n"
		"+ _NEW: 0x4 bytes\n"
		"~ _POOL_TYPE\n"
		"  - MaxPoolType = -1\n"
		"  ~ NonPagedPool = 0 -> 7\n"
		"~ symbol PsActiveProcessHead: 0x227b90 -> 0x300\n"
		"+ symbol PsNew: 0x4\n"
		"- symbol ?thunk\\: 0x20\n");
	ck_assert_uint_eq(n, 13);
	vds_profile_destroy(a);
	vds_profile_destroy(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("profile");
	TCase *tc = tcase_create("profile");
	tcase_add_test(tc, identity_types_and_symbols_are_found);
	tcase_add_test(tc, members_are_found_by_path);
	tcase_add_test(tc, field_values_are_extracted);
	tcase_add_test(tc, emit_gives_back_the_canonical_text);
	tcase_add_test(tc, unnamed_members_are_lifted);
	tcase_add_loop_test(tc, bad_profiles_are_refused_with_position, 0,
			    VDS_ARRAY_SIZE(bad));
	tcase_add_test(tc, nul_in_a_name_is_refused);
	tcase_add_test(tc, model_is_canonical_and_trims);
	tcase_add_test(tc, odd_names_stay_what_they_are);
	tcase_add_test(tc, show_prints_what_dt_prints);
	tcase_add_test(tc, diff_says_what_moved);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
