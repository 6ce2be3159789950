/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of CodeView records that this room reads. From Microsoft's
 * published cvinfo.h (microsoft-pdb). "_ST" forms hold names with a length
 * byte in front instead of a NUL behind.
 */
#ifndef VDS_PDB_CODEVIEW_H
#define VDS_PDB_CODEVIEW_H

enum vds_cv_leaf {
	/* Types. */
	LF_VTSHAPE = 0x000a,
	LF_MODIFIER = 0x1001,
	LF_POINTER = 0x1002,
	LF_ARRAY_ST = 0x1003,
	LF_CLASS_ST = 0x1004,
	LF_STRUCTURE_ST = 0x1005,
	LF_UNION_ST = 0x1006,
	LF_ENUM_ST = 0x1007,
	LF_PROCEDURE = 0x1008,
	LF_MFUNCTION = 0x1009,
	LF_FIELDLIST = 0x1203,
	LF_BITFIELD = 0x1205,
	LF_ARRAY = 0x1503,
	LF_CLASS = 0x1504,
	LF_STRUCTURE = 0x1505,
	LF_UNION = 0x1506,
	LF_ENUM = 0x1507,
	LF_ALIAS = 0x150a,
	LF_STRIDED_ARRAY = 0x1516,
	LF_INTERFACE = 0x1519,
	LF_VFTABLE = 0x151d,
	/* microsoft-pdb issue 50: u32 properties, count after the types */
	LF_CLASS2 = 0x1608,
	LF_STRUCTURE2 = 0x1609,

	/* Inside a field list. */
	LF_ENUMERATE_ST = 0x0403,
	LF_BCLASS = 0x1400,
	LF_VBCLASS = 0x1401,
	LF_IVBCLASS = 0x1402,
	LF_FRIENDFCN_ST = 0x1403,
	LF_INDEX = 0x1404,
	LF_MEMBER_ST = 0x1405,
	LF_STMEMBER_ST = 0x1406,
	LF_METHOD_ST = 0x1407,
	LF_NESTTYPE_ST = 0x1408,
	LF_VFUNCTAB = 0x1409,
	LF_FRIENDCLS = 0x140a,
	LF_ONEMETHOD_ST = 0x140b,
	LF_VFUNCOFF = 0x140c,
	LF_NESTTYPEEX_ST = 0x140d,
	LF_MEMBERMODIFY_ST = 0x140e,
	LF_ENUMERATE = 0x1502,
	LF_FRIENDFCN = 0x150c,
	LF_MEMBER = 0x150d,
	LF_STMEMBER = 0x150e,
	LF_METHOD = 0x150f,
	LF_NESTTYPE = 0x1510,
	LF_ONEMETHOD = 0x1511,
	LF_NESTTYPEEX = 0x1512,
	LF_MEMBERMODIFY = 0x1513,
	LF_BINTERFACE = 0x151a,

	/* Numbers that do not fit 15 bits. */
	LF_NUMERIC = 0x8000,
	LF_CHAR = 0x8000,
	LF_SHORT = 0x8001,
	LF_USHORT = 0x8002,
	LF_LONG = 0x8003,
	LF_ULONG = 0x8004,
	LF_REAL32 = 0x8005,
	LF_REAL64 = 0x8006,
	LF_REAL80 = 0x8007,
	LF_REAL128 = 0x8008,
	LF_QUADWORD = 0x8009,
	LF_UQUADWORD = 0x800a,
	LF_REAL48 = 0x800b,
	LF_COMPLEX32 = 0x800c,
	LF_COMPLEX64 = 0x800d,
	LF_COMPLEX80 = 0x800e,
	LF_COMPLEX128 = 0x800f,
	LF_VARSTRING = 0x8010,
	LF_OCTWORD = 0x8017,
	LF_UOCTWORD = 0x8018,
	LF_DECIMAL = 0x8019,
	LF_DATE = 0x801a,
	LF_UTF8STRING = 0x801b,
	LF_REAL16 = 0x801c,

	/* 0xf1 to 0xff between records: skip as many bytes as the low digit. */
	LF_PAD0 = 0xf0,
};

/* Properties of a structure, union or enum. */
#define CV_PROP_FORWARD_REF 0x0080u
#define CV_PROP_UNIQUE_NAME 0x0200u

enum vds_cv_symbol {
	S_LDATA32_ST = 0x1007,
	S_GDATA32_ST = 0x1008,
	S_PUB32_ST = 0x1009,
	S_LDATA32 = 0x110c,
	S_GDATA32 = 0x110d,
	S_PUB32 = 0x110e,
	S_GTHREAD32 = 0x1113,
};

/* Type indices below this one are simple types: kind and pointer mode. */
#define CV_FIRST_NONPRIM 0x1000u

#endif
