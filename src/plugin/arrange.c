/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/arrange.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static struct vds_error *take_row(struct vds_sink *sink,
				  const struct vds_value *values)
{
	struct vds_arrange *arrange = (struct vds_arrange *)sink;
	if (vds_rowbuf_bytes(&arrange->rows) > arrange->max_bytes)
		return vds_error_create(VDS_ERROR_USAGE,
					"--sort: more than %zu MB of rows; "
					"narrow them with --where, --pid or "
					"--process", arrange->max_bytes >> 20);
	if (!vds_rowbuf_add(&arrange->rows, values,
			    arrange->schema->num_columns))
		return &vds_enomem;
	return NULL;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_memory(const struct vds_value *a, const struct vds_value *b)
{
	size_t n = VDS_MIN(a->count, b->count);
	int order = n ? memcmp(a->s, b->s, n) : 0;
	return order ? order : compare_u64(a->count, b->count);
}

/* Absent values come last, by reason. */
static int compare_values(const struct vds_value *a, const struct vds_value *b)
{
	if (a->kind != b->kind)
		return a->kind == VDS_KIND_NONE ? 1 : -1;
	switch (a->kind) {
	case VDS_KIND_NONE:
		return compare_u64(a->why, b->why);
	case VDS_KIND_INT:
		return (a->i > b->i) - (a->i < b->i);
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
	case VDS_KIND_BYTES:
	case VDS_KIND_STRS:
		return compare_memory(a, b);
	case VDS_KIND_INTS:
		for (uint32_t i = 0; i < VDS_MIN(a->count, b->count); i++) {
			int order = compare_u64(a->list[i], b->list[i]);
			if (order)
				return order;
		}
		return compare_u64(a->count, b->count);
	default:
		return compare_u64(a->u, b->u);
	}
}

struct ranked {
	const struct vds_value *values;
	size_t rank;	/* order of arrival, for ties */
};

static int compare_rows(const void *left, const void *right, void *ctx)
{
	const struct ranked *a = left, *b = right;
	const struct vds_arrange *arrange = ctx;
	for (size_t i = 0; i < arrange->num_keys; i++) {
		size_t column = arrange->keys[i].column;
		const struct vds_value *x = &a->values[column];
		const struct vds_value *y = &b->values[column];
		int order = compare_values(x, y);
		bool absent = x->kind == VDS_KIND_NONE ||
			      y->kind == VDS_KIND_NONE;
		if (order)
			return arrange->keys[i].descending && !absent ? -order :
									order;
	}
	return compare_u64(a->rank, b->rank);
}

static struct vds_error *pass_on(struct vds_arrange *arrange,
				 const struct ranked *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct vds_error *err = arrange->next->row(arrange->next,
							   rows[i].values);
		if (err)
			return err;
		vds_schema_absences(arrange->schema, rows[i].values,
				    &arrange->tally.absences);
		arrange->tally.rows++;
	}
	return arrange->next->flush ? arrange->next->flush(arrange->next) :
				      NULL;
}

static struct vds_error *flush(struct vds_sink *sink)
{
	struct vds_arrange *arrange = (struct vds_arrange *)sink;
	size_t count = arrange->rows.count;
	_cleanup_free_ struct ranked *rows = vds_malloc_array(count,
							      sizeof(*rows));
	if (!rows)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct ranked){arrange->rows.rows[i], i};
	qsort_r(rows, count, sizeof(*rows), compare_rows, arrange);
	if (arrange->limit)
		count = (size_t)VDS_MIN(arrange->limit, (uint64_t)count);
	return pass_on(arrange, rows, count);
}

struct vds_error *vds_arrange_init(struct vds_arrange *arrange,
				   const char *keys,
				   const struct vds_schema *schema,
				   struct vds_sink *next)
{
	_cleanup_free_ char *copy = strdup(keys);
	char *save;
	if (!copy)
		return &vds_enomem;
	*arrange = (struct vds_arrange){
		.sink.row = take_row,
		.sink.flush = flush,
		.next = next,
		.schema = schema,
		.max_bytes = VDS_ARRANGE_MAX,
	};
	for (char *word = strtok_r(copy, ", ", &save); word;
	     word = strtok_r(NULL, ", ", &save)) {
		bool descending = *word == '-';
		int column = vds_schema_find(schema, word + descending);
		if (column < 0)
			return vds_error_create(
				VDS_ERROR_USAGE, "--sort: '%s' is %s", word,
				column == -2 ? "the end of several columns' "
					       "names; give all of it" :
					       "no column");
		if (arrange->num_keys == VDS_ARRAY_SIZE(arrange->keys))
			return vds_error_create(VDS_ERROR_USAGE,
						"--sort: too many columns");
		arrange->keys[arrange->num_keys].column = (size_t)column;
		arrange->keys[arrange->num_keys++].descending = descending;
	}
	if (!arrange->num_keys)
		return vds_error_create(VDS_ERROR_USAGE,
					"--sort names no column");
	return NULL;
}

void vds_arrange_deinit(struct vds_arrange *arrange)
{
	vds_rowbuf_deinit(&arrange->rows);
}
