/* SPDX-License-Identifier: Apache-2.0 */
/* A file of rules, as its own document and over the built-in ones. */
#include <stdint.h>

#include "analysis/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int overlay = 0; overlay < 2; overlay++) {
		struct vds_arena arena;
		vds_arena_init(&arena, (size_t)64 << 20);
		struct vds_rules *rules = vds_rules_create(&arena);
		if (rules && overlay)
			vds_error_destroy(vds_rules_parse(
				rules, "built-in", vds_builtin_rules,
				vds_builtin_rules_len, false));
		if (rules) {
			vds_error_destroy(vds_rules_parse(rules, "fuzz", data,
							  size, overlay));
			const struct vds_rule *rule =
				vds_rule_find(rules, "dead-creator");
			if (rule)
				(void)vds_rules_severity(
					rules, rule->score +
					vds_rule_param(rule, "executable"));
		}
		vds_arena_deinit(&arena);
	}
	return 0;
}
