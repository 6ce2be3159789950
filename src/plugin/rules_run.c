/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and record ids, for plugins that report findings. */
#include <stdlib.h>
#include <string.h>

#include "analysis/rules.h"
#include "base/file.h"
#include "plugin/session.h"
#include "row/id.h"

/* A file of rules is written by hand. */
#define RULES_MAX ((size_t)1 << 20)

struct vds_error *vds_rules_load(struct vds_run *run, const char *path,
				 const struct vds_rules **ret)
{
	struct vds_rules *rules = vds_rules_create(&run->task->arena);
	if (!rules)
		return &vds_enomem;
	struct vds_error *err = vds_rules_parse(rules, "built-in rules",
						vds_builtin_rules,
						vds_builtin_rules_len, false);
	char *data = NULL;
	size_t len;
	if (!err && path)
		err = vds_file_slurp(path, RULES_MAX, &data, &len);
	if (!err && path)
		err = vds_rules_parse(rules, path, data, len, true);
	free(data);
	if (!err)
		*ret = rules;
	return err;
}

void vds_record_id(const struct vds_run *run, const char *record,
		   const struct vds_value *keys, size_t num_keys,
		   char out[VDS_RECORD_ID_SIZE])
{
	/* Only has_keys and the number of columns matter to the hash. */
	const struct vds_schema schema = {.num_columns = num_keys};
	struct vds_id_seed seed;
	vds_id_seed_init(&seed, run->session->image_id, record);
	vds_row_id(&seed, &schema, keys, out);
	out[VDS_ID_LEN] = 0;
}
