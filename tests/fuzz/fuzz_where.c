/* SPDX-License-Identifier: Apache-2.0 */
/* --where: any text parses or is refused; what parses can be evaluated. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/where.h"
#include "../unit/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vds_value absent[NUM_COLUMNS];
	const struct vds_value present[NUM_COLUMNS] = {
		[PID] = vds_int(4), [NAME] = vds_str("svchost.exe"),
		[START] = vds_addr(4096), [SIZE] = vds_size(65536),
		[PRIVATE] = vds_bool(true), [BLOB] = vds_data("MZ", 2),
		[PIDS] = vds_ints((const uint64_t[]){1, 2}, 2, false),
		[WORDS] = vds_flags("a b"),
		[LABELS] = {.kind = VDS_KIND_STRS, .count = 4, .s = "x\0y"},
	};
	struct vds_schema schema;
	struct vds_where *where;
	char *text = malloc(size + 1);
	struct vds_error *err = vds_schema_init(&schema, &test_plugin);
	if (!text || err)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	err = vds_where_parse(text, &schema, &where);
	if (!err) {
		vds_where_match(where, absent);
		vds_where_match(where, present);
		vds_where_destroy(where);
	}
	vds_error_destroy(err);
	vds_schema_deinit(&schema);
	free(text);
	return 0;
}
