/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A structure read once and decoded many times. Where part of it is absent,
 * the members on the pages that are there still decode.
 */
#ifndef VDS_NT_REC_H
#define VDS_NT_REC_H

#include "nt/kernel.h"
#include "nt/task.h"

/* Largest record, bytes; it may touch one page more than that spans. */
#define VDS_REC_MAX 0x3000
#define VDS_REC_PAGES 4

struct vds_rec {
	uint64_t va;
	const uint8_t *data;	/* the caller's buffer */
	size_t len;
	bool whole;		/* every byte is there */
	enum vds_why page_why[VDS_REC_PAGES];
};

/*
 * Reads @len bytes (at most VDS_REC_MAX) at kernel address @va into @buf, which
 * must outlive @rec. PRESENT if at least the first page of it is there, else
 * why not.
 */
enum vds_why vds_rec_read(struct vds_task *task, uint64_t va, void *buf,
			  size_t len, struct vds_rec *rec);

/*
 * The value of @field (bit fields extracted, zero-extended) in *ret, which is 0
 * unless the result is PRESENT.
 */
enum vds_why vds_rec_get(const struct vds_rec *rec,
			 const struct vds_field *field, uint64_t *ret);

/* The value, or 0 if it is absent for any reason. */
uint64_t vds_rec_u64(const struct vds_rec *rec, const struct vds_field *field);

/* One member of a structure at @va, without reading the rest. */
enum vds_why vds_task_field(struct vds_task *task, uint64_t va,
			    const struct vds_field *field, uint64_t *ret);

#endif
