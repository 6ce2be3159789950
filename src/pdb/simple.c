/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/simple.h"

#include "base/util.h"

/*
 * Bits 0 to 7 of the index. From cvinfo.h (microsoft-pdb, TYPE_ENUM_e).
 * `encoding` matters for the ones that the model has no base type for.
 */
static const struct simple {
	uint8_t kind, size;
	enum vds_base_encoding encoding;
	const char *name;
} simples[] = {
	{0x00, 0, VDS_BASE_UNSIGNED, "void"},	/* no type */
	{0x03, 0, VDS_BASE_UNSIGNED, "void"},
	{0x07, 0, VDS_BASE_UNSIGNED, "void"},	/* not translated */
	{0x08, 4, VDS_BASE_UNSIGNED, "HRESULT"},
	{0x10, 1, VDS_BASE_CHAR, "char"},
	{0x11, 2, VDS_BASE_SIGNED, "short"},
	{0x12, 4, VDS_BASE_SIGNED, "long"},
	{0x13, 8, VDS_BASE_SIGNED, "long long"},
	{0x14, 16, VDS_BASE_SIGNED, "int128"},
	{0x20, 1, VDS_BASE_UNSIGNED, "unsigned char"},
	{0x21, 2, VDS_BASE_UNSIGNED, "unsigned short"},
	{0x22, 4, VDS_BASE_UNSIGNED, "unsigned long"},
	{0x23, 8, VDS_BASE_UNSIGNED, "unsigned long long"},
	{0x24, 16, VDS_BASE_UNSIGNED, "unsigned int128"},
	{0x30, 1, VDS_BASE_BOOL, "bool"},
	{0x31, 2, VDS_BASE_BOOL, "bool16"},
	{0x32, 4, VDS_BASE_BOOL, "bool32"},
	{0x33, 8, VDS_BASE_BOOL, "bool64"},
	{0x40, 4, VDS_BASE_FLOAT, "float"},
	{0x41, 8, VDS_BASE_FLOAT, "double"},
	{0x42, 10, VDS_BASE_FLOAT, "float80"},
	{0x43, 16, VDS_BASE_FLOAT, "float128"},
	{0x44, 6, VDS_BASE_FLOAT, "float48"},
	{0x45, 4, VDS_BASE_FLOAT, "float"},	/* of partial precision */
	{0x46, 2, VDS_BASE_FLOAT, "float16"},
	{0x50, 8, VDS_BASE_FLOAT, "complex32"},
	{0x51, 16, VDS_BASE_FLOAT, "complex64"},
	{0x52, 20, VDS_BASE_FLOAT, "complex80"},
	{0x53, 32, VDS_BASE_FLOAT, "complex128"},
	{0x68, 1, VDS_BASE_CHAR, "char"},
	{0x69, 1, VDS_BASE_UNSIGNED, "unsigned char"},
	{0x70, 1, VDS_BASE_CHAR, "char"},
	{0x71, 2, VDS_BASE_WCHAR, "wchar"},
	{0x72, 2, VDS_BASE_SIGNED, "short"},
	{0x73, 2, VDS_BASE_UNSIGNED, "unsigned short"},
	{0x74, 4, VDS_BASE_SIGNED, "int"},
	{0x75, 4, VDS_BASE_UNSIGNED, "unsigned int"},
	{0x76, 8, VDS_BASE_SIGNED, "long long"},
	{0x77, 8, VDS_BASE_UNSIGNED, "unsigned long long"},
	{0x78, 16, VDS_BASE_SIGNED, "int128"},
	{0x79, 16, VDS_BASE_UNSIGNED, "unsigned int128"},
	{0x7a, 2, VDS_BASE_WCHAR, "char16"},
	{0x7b, 4, VDS_BASE_WCHAR, "char32"},
	{0x7c, 1, VDS_BASE_CHAR, "char8"},
};

/* decltype(nullptr), which is no near pointer of 16 bits. */
#define T_NULLPTR 0x0103u

static const struct simple *find(uint32_t index)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(simples); i++)
		if (simples[i].kind == (index & 0xff))
			return &simples[i];
	return NULL;
}

/* Bits 8 to 11: 0 the type itself, else a pointer to it of so many bytes. */
static unsigned int pointer_size(uint32_t index, unsigned int pointer)
{
	static const uint8_t sizes[16] = {0, 2, 4, 4, 4, 6, 8, 16};
	if (index == T_NULLPTR)
		return pointer;
	return sizes[index >> 8 & 0xf];
}

uint64_t vds_cv_simple_size(uint32_t index, unsigned int pointer)
{
	const struct simple *s = find(index);
	if (index >> 8)
		return pointer_size(index, pointer);
	return s ? s->size : 0;
}

struct vds_error *vds_cv_simple_type(struct vds_model *model, uint32_t index,
				     unsigned int pointer,
				     struct vds_model_type **ret)
{
	const struct simple *s = find(index);
	struct vds_model_type *type = NULL;
	struct vds_error *err = NULL;
	unsigned int size = pointer_size(index, pointer);
	if (index >> 8 && !size)
		s = NULL;
	if (!s)
		return vds_error_create(VDS_ERROR_FORMAT,
					"there is no simple type 0x%x", index);
	if (!vds_model_base(model, s->name, &type))
		err = vds_model_add_base(model, s->name, s->encoding, s->size,
					 &type);
	if (!err && size)
		err = vds_model_pointer(model, type, size, &type);
	if (!err)
		*ret = type;
	return err;
}
