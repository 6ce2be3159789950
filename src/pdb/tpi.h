/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type records: streams 2 (TPI, types) and 4 (IPI, ids), versions 19990903
 * (VC 7.0) and 20040203 (VC 8.0 and later), which differ in nothing that is
 * read here. Facts: microsoft-pdb (tpi.h, cvinfo.h), LLVM docs/PDB/TpiStream.
 *
 * A record is decoded when it is asked for; nothing is built. Type indices may
 * point forwards and in circles: whoever follows them keeps a count or a set.
 */
#ifndef VDS_PDB_TPI_H
#define VDS_PDB_TPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/map.h"
#include "pdb/codeview.h"
#include "pdb/msf.h"

/* Caller's storage. */
struct vds_tpi {
	uint32_t stream;
	uint32_t version;
	uint32_t begin, end;	/* type indices [begin, end) have records */
	uint32_t header;	/* bytes before the first record */
	uint8_t *data;		/* all records */
	size_t len;
	uint32_t *at;		/* per type index: offset of its record */
	struct vds_tpi_names *names;	/* set by vds_tpi_index_names() */
};

/* Type indices in a stream are capped here (a kernel has some 10,000). */
#define VDS_TPI_MAX (UINT32_C(1) << 24)

/*
 * Loads a stream. A PDB without it, or with an empty one, yields begin == end.
 * VDS_ERROR_FORMAT with position; VDS_ERROR_UNSUPPORTED for other versions.
 */
struct vds_error *vds_tpi_load(const struct vds_msf *msf, uint32_t stream,
			       struct vds_tpi *ret);
/* Safe on a zeroed one. */
void vds_tpi_deinit(struct vds_tpi *tpi);

/* True if @index has a record (is not a simple type, and exists). */
bool vds_tpi_has(const struct vds_tpi *tpi, uint32_t index);

/*
 * A record, whichever of its forms it is in. Names are borrowed from the
 * stream, not NUL-terminated, any bytes; length 0 where there is none.
 */
struct vds_tpi_type {
	/*
	 * LF_MODIFIER POINTER ARRAY STRIDED_ARRAY STRUCTURE (also for class
	 * and interface) UNION ENUM PROCEDURE (also MFUNCTION) BITFIELD
	 * FIELDLIST ALIAS; anything else as it is, with nothing else filled in.
	 */
	uint16_t leaf;
	bool is_forward;	/* structure, union, enum: defined elsewhere */
	uint8_t bit_pos, bit_len;	/* bit field */
	uint32_t target;	/* of pointer, modifier, alias, bit field;
				 * array: element; enum: its integer type;
				 * procedure: what it returns */
	uint32_t fields;	/* field list of structure, union, enum; or 0 */
	uint64_t size;		/* bytes of structure, union, array, pointer */
	const char *name, *unique;
	size_t name_len, unique_len;
};

/* VDS_ERROR_FORMAT if @index has no record, or it is cut off. */
struct vds_error *vds_tpi_type(const struct vds_tpi *tpi, uint32_t index,
			       struct vds_tpi_type *ret);

/* What a field list holds, as far as layout goes. */
enum vds_tpi_field_kind {
	VDS_TPI_MEMBER,		/* data member at `offset` */
	VDS_TPI_BASE,		/* base class at `offset` */
	VDS_TPI_VIRTUAL_BASE,	/* reached through a pointer at `offset` */
	VDS_TPI_VFPTR,		/* pointer to the virtual functions, offset 0
				 * unless it says otherwise */
	VDS_TPI_ENUMERATOR,	/* `value` */
	VDS_TPI_OTHER,		/* methods, statics, nested types, friends */
};

struct vds_tpi_field {
	enum vds_tpi_field_kind kind;
	uint32_t type;
	uint64_t offset;	/* bytes */
	int64_t value;
	const char *name;	/* borrowed, not NUL-terminated */
	size_t name_len;
};

/* A walk over a field list and its continuations; caller's storage. */
struct vds_tpi_fields {
	const struct vds_tpi *tpi;
	struct vds_bytes b;
	uint32_t index;		/* of the list being read */
	uint32_t next;		/* continuation, or 0 */
	struct vds_map seen;	/* lists that were read */
};

/* Starts at field list @index (0: an empty one). Pair with _deinit. */
struct vds_error *vds_tpi_fields_init(struct vds_tpi_fields *it,
				      const struct vds_tpi *tpi,
				      uint32_t index);
void vds_tpi_fields_deinit(struct vds_tpi_fields *it);
/* The next field; *ret_done = true at the end. VDS_ERROR_FORMAT if damaged or
 * if the continuations loop. */
struct vds_error *vds_tpi_fields_next(struct vds_tpi_fields *it,
				      struct vds_tpi_field *ret,
				      bool *ret_done);

/*
 * Where a forward reference leads: the definition with the same unique name,
 * or, if it has none, with the same name. *ret = @index itself if it is no
 * forward reference, or if there is no such definition. An anonymous forward
 * reference leads nowhere: its name says nothing.
 * Needs vds_tpi_index_names().
 */
struct vds_error *vds_tpi_resolve(const struct vds_tpi *tpi, uint32_t index,
				  uint32_t *ret);

/* Builds the index of definitions by name (4 to 8 bytes per definition). */
struct vds_error *vds_tpi_index_names(struct vds_tpi *tpi);

/* True for compilers' names of things without one ("<unnamed-tag>"). */
bool vds_tpi_is_anonymous(const char *name, size_t len);

#endif
