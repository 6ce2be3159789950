/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of findings: what a rule weighs and says is data (plugins/findings.yaml,
 * docs/findings.md), so that a team tunes it without recompiling.
 */
#ifndef VADOSE_RULE_H
#define VADOSE_RULE_H

#include <vadose/run.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vds_severity {
	VDS_SEVERITY_INFO = 0,
	VDS_SEVERITY_LOW = 1,
	VDS_SEVERITY_MEDIUM = 2,
	VDS_SEVERITY_HIGH = 3,
	VDS_SEVERITY_CRITICAL = 4,
};
/* "info", "low", "medium", "high", "critical". */
VDS_EXPORT const char *vds_severity_str(enum vds_severity severity);

/* One rule; strings are never NULL ("" where the file says nothing). */
struct vds_rule {
	const char *id;		/* "rw-here-rx-there" */
	const char *name;	/* one line */
	const char *version;	/* "1" */
	const char *tactic;	/* ATT&CK tactic, "defense-evasion" */
	const char *technique;	/* ATT&CK technique, "T1055.012" */
	const char *confidence;	/* "low", "medium", "high" */
	const char *benign;	/* its commonest harmless explanation */
	int64_t score;		/* what the rule alone weighs */
	bool enabled;
	/* Programs that the rule leaves alone: globs over NT paths, with '|'
	 * between them; see vds_rule_excepts(). */
	const char *except;
};

struct vds_rules;

/*
 * The built-in rules, overlaid with those of the YAML file @path (may be NULL).
 * *ret is borrowed until run() returns. VDS_ERROR_USAGE with "path:line:column"
 * if the file is malformed or names a rule or a key that doesn't exist.
 */
VDS_EXPORT struct vds_error *vds_rules_load(struct vds_run *run,
					    const char *path,
					    const struct vds_rules **ret);
/* The rule, or NULL. */
VDS_EXPORT const struct vds_rule *vds_rule_find(const struct vds_rules *rules,
						const char *id);
/* A parameter of the rule ("cross_session"); 0 if the rule has none such. */
VDS_EXPORT int64_t vds_rule_param(const struct vds_rule *rule,
				  const char *name);
/* Is the program @path (NULL: not known) one that the rule leaves alone? */
VDS_EXPORT bool vds_rule_excepts(const struct vds_rule *rule,
				 const char *path);
/* The severity that a total score has. */
VDS_EXPORT enum vds_severity vds_rules_severity(const struct vds_rules *rules,
						int64_t score);

/* Length of a record id, with its NUL. */
#define VDS_RECORD_ID_SIZE 33

/*
 * The id of the record of kind @record whose key columns have these values (in
 * the order in which its plugin declares them), as output has it: for evidence
 * that points to rows of another plugin.
 */
VDS_EXPORT void vds_record_id(const struct vds_run *run, const char *record,
			      const struct vds_value *keys, size_t num_keys,
			      char out[VDS_RECORD_ID_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
