/* SPDX-License-Identifier: Apache-2.0 */
#include "render/render.h"

#include <string.h>

/* A new format is one file and one line here. */
static const struct vds_renderer *const table[] = {
	&vds_render_table,
	&vds_render_csv,
	&vds_render_json,
	&vds_render_ndjson,
	&vds_render_ecs,
	&vds_render_sic,
	&vds_render_dot,
	&vds_render_graphml,
	NULL,
};

const struct vds_renderer *const *vds_renderers(void)
{
	return table;
}

const struct vds_renderer *vds_renderer_find(const char *name)
{
	for (size_t i = 0; table[i]; i++) {
		if (!strcmp(table[i]->name, name))
			return table[i];
	}
	return NULL;
}

/* Bytes gathered before they are written. */
#define WRITE_SIZE ((size_t)64 << 10)

static struct vds_error *drain(struct vds_render *render, size_t keep)
{
	struct vds_str *out = &render->out;
	if (out->failed)
		return &vds_enomem;
	if (out->len <= keep)
		return NULL;
	struct vds_error *err = render->writer->write(render->writer,
						      out->data, out->len);
	out->len = 0;
	return err;
}

static struct vds_error *sink_format(const struct vds_sink *sink,
				     const struct vds_value *values,
				     struct vds_str *out)
{
	const struct vds_render *render = (const struct vds_render *)sink;
	return render->renderer->row(render, values, out);
}

static bool sink_ready(const struct vds_sink *sink)
{
	const struct vds_render *render = (const struct vds_render *)sink;
	return render->renderer->ready(render);
}

static struct vds_error *sink_text(struct vds_sink *sink, const char *text,
				   size_t len)
{
	struct vds_render *render = (struct vds_render *)sink;
	/* Rows that came one by one lie before it. */
	struct vds_error *err = drain(render, 0);
	return err ? err : render->writer->write(render->writer, text, len);
}

static struct vds_error *sink_row(struct vds_sink *sink,
				  const struct vds_value *values)
{
	struct vds_render *render = (struct vds_render *)sink;
	struct vds_error *err = render->renderer->row(render, values,
						      &render->out);
	return err ? err : drain(render, WRITE_SIZE);
}

struct vds_error *vds_render_begin(struct vds_render *render,
				   const struct vds_renderer *renderer,
				   const struct vds_render_info *info,
				   struct vds_writer *writer)
{
	*render = (struct vds_render){
		.renderer = renderer,
		.info = info,
		.writer = writer,
		.sink.text = sink_text,
		.sink.row = sink_row,
	};
	if (!renderer->ordered || renderer->ready)
		render->sink.format = sink_format;
	if (renderer->ordered && renderer->ready)
		render->sink.ready = sink_ready;
	vds_id_seed_init(&render->seed, info->image_id, info->schema->record);
	struct vds_error *err = renderer->begin(render, &render->out);
	return err ? err : drain(render, 0);
}

struct vds_error *vds_render_end(struct vds_render *render,
				 const struct vds_render_end *end)
{
	struct vds_error *err = drain(render, 0);
	if (!err)
		err = render->renderer->end(render, end, &render->out);
	return err ? err : drain(render, 0);
}

void vds_render_deinit(struct vds_render *render)
{
	if (render->renderer && render->renderer->deinit)
		render->renderer->deinit(render);
	vds_str_deinit(&render->out);
}
