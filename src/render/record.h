/* SPDX-License-Identifier: Apache-2.0 */
/* One record as one line of JSON: the contract "vadose/1". */
#ifndef VDS_RENDER_RECORD_H
#define VDS_RENDER_RECORD_H

#include "base/str.h"
#include "row/id.h"
#include "row/schema.h"

#define VDS_RECORD_SCHEMA "vadose/1"
/* Bytes of a line with its LF: rsyslog cuts messages at 8,096. */
#define VDS_LINE_MAX 8000

/* What every record of one kind begins with. Zero-initialised is empty. */
struct vds_record_head {
	struct vds_str before_id;	/* {"@timestamp":"...", ... "id":" */
	struct vds_str after_id;	/* ","image":{"id":"..." */
	struct vds_str after_image;	/* },"plugin":{...} */
	struct vds_id_seed seed;
};

/* @plugin and @version are those of the running plugin. */
struct vds_error *vds_record_head_init(struct vds_record_head *head,
				       const char *timestamp,
				       const char *image_id, const char *record,
				       const char *plugin, const char *version);
void vds_record_head_deinit(struct vds_record_head *head);

/*
 * Appends the record without a line end. Text and lists are cut until it fits
 * into VDS_LINE_MAX; VDS_ERROR_PLUGIN if it can't be made to.
 */
struct vds_error *vds_record_put(const struct vds_record_head *head,
				 const struct vds_schema *schema,
				 const struct vds_value *values,
				 struct vds_str *out);

/* The same with an id (VDS_ID_LEN digits) made elsewhere. */
struct vds_error *vds_record_put_id(const struct vds_record_head *head,
				    const struct vds_schema *schema,
				    const struct vds_value *values,
				    const char *id, struct vds_str *out);

/* Appends a JSON string with its quotes, escaped so that it is safe to print. */
void vds_json_put_string(struct vds_str *out, const char *s, size_t len);

#endif
