/* SPDX-License-Identifier: Apache-2.0 */
/* AFF4 volumes by our own writer, from a LiME image; whole and damaged. */
#include "image/aff4_internal.h"
#include "image/aff4_verify.h"
#include "image/aff4_write.h"
#include "image/zip_write.h"
#include "image_temp.h"

#define V "aff4://00000000-0000-0000-0000-0000000000aa"
#define MEM "memory/physical> .\n"
#define DATA_LEN 0x9000

/* Two runs with a gap, the second not a multiple of any chunk. */
static struct vds_image *lime_image(struct temp *t)
{
	static const uint64_t runs[][2] = {{0x1000, DATA_LEN},
					   {0x20000, 0x2000}};
	temp_open(t);
	for (size_t i = 0; i < 2; i++) {
		uint8_t head[32] = "EMiL\1";
		vds_put_le64(head + 8, runs[i][0]);
		vds_put_le64(head + 16, runs[i][0] + runs[i][1] - 1);
		fwrite(head, 1, sizeof(head), t->f);
		for (uint64_t k = 0; k < runs[i][1]; k++)
			fputc((int)((runs[i][0] + k) >> 6 ^ k % 5), t->f);
	}
	return open_ok(t);
}

static void convert(const struct vds_image *image, struct temp *t,
		    const struct vds_aff4_write_options *options)
{
	struct vds_aff4_written written;
	temp_open(t);
	struct vds_error *err = vds_aff4_write(image, fileno(t->f), options,
					       &written);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_uint_eq(written.data, DATA_LEN + 0x2000);
	ck_assert_uint_eq(written.damaged, 0);
	ck_assert_uint_eq(strlen(written.urn), 43);
}

static void same_digest(const struct vds_image *a, const struct vds_image *b)
{
	struct vds_digest x, y;
	ck_assert_ptr_null(vds_image_digest(a, VDS_STREAM_ZERO, NULL, &x));
	ck_assert_ptr_null(vds_image_digest(b, VDS_STREAM_ZERO, NULL, &y));
	ck_assert_uint_eq(x.size, y.size);
	ck_assert_mem_eq(x.sha256, y.sha256, sizeof(x.sha256));
	ck_assert_uint_eq(y.damaged, 0);
}

static void on_check(void *ctx, const struct vds_aff4_check *check)
{
	if (!strcmp(check->what, "hash"))
		ck_assert_str_eq(check->type, "SHA256");
	else
		ck_assert_str_eq(check->what, "members");
	ck_assert_int_eq(check->verdict, VDS_VERDICT_EQUAL);
	++*(int *)ctx;
}

START_TEST(what_is_written_is_read)
{
	struct temp lime, aff4;
	struct vds_image *from = lime_image(&lime);
	struct vds_aff4_write_options options = {
		.codec = (enum vds_codec)_i, .chunk_size = 4096,
		.chunks_per_bevy = 3, .threads = 2};
	if (vds_codec_available(options.codec)) {
		convert(from, &aff4, &options);
	} else {
		temp_open(&aff4);
		struct vds_error *err = vds_aff4_write(from, fileno(aff4.f),
						       &options, NULL);
		ck_assert(vds_error_catch(err, VDS_ERROR_UNSUPPORTED));
	}
	if (vds_codec_available(options.codec) && vds_turtle_available()) {
		struct vds_image *to = open_ok(&aff4);
		size_t count;
		const struct vds_range *r = vds_image_ranges(to, &count);
		ck_assert_uint_eq(count, 2);
		ck_assert_uint_eq(r[0].pa, 0x1000);
		ck_assert_uint_eq(r[0].len, DATA_LEN);
		ck_assert_uint_eq(r[1].pa, 0x20000);
		ck_assert_uint_eq(vds_image_notes(to)->count, 0);
		same_digest(from, to);
		int checks = 0;
		const struct vds_aff4_checker checker = {on_check, &checks,
							 NULL};
		ck_assert_ptr_null(vds_aff4_verify(to, &checker));
		ck_assert_int_eq(checks, 2);
		vds_image_close(to);
	} else if (vds_codec_available(options.codec)) {
		open_fails(&aff4, VDS_ERROR_UNSUPPORTED, "serd");
	}
	temp_close(&aff4);
	vds_image_close(from);
	temp_close(&lime);
}
END_TEST

static char *slurp(struct temp *t, size_t *len)
{
	char *data;
	ck_assert_ptr_null(vds_file_slurp(t->path, 1 << 20, &data, len));
	return data;
}

START_TEST(threads_dont_change_a_byte)
{
	struct temp lime, one, many;
	struct vds_image *from = lime_image(&lime);
	struct vds_aff4_write_options options = {
		.codec = VDS_CODEC_ZLIB, .chunk_size = 4096, .threads = 1};
	size_t a_len, b_len;
	convert(from, &one, &options);
	options.threads = 4;
	convert(from, &many, &options);
	char *a = slurp(&one, &a_len), *b = slurp(&many, &b_len);
	ck_assert_uint_eq(a_len, b_len);
	ck_assert_mem_eq(a, b, a_len);
	free(a);
	free(b);
	temp_close(&one);
	temp_close(&many);
	vds_image_close(from);
	temp_close(&lime);
}
END_TEST

/* A read in the middle of anything gives what the source gives. */
START_TEST(small_reads_agree)
{
	struct temp lime, aff4;
	struct vds_image *from = lime_image(&lime);
	struct vds_aff4_write_options options = {
		.codec = VDS_CODEC_ZLIB, .chunk_size = 8192,
		.chunks_per_bevy = 2};
	convert(from, &aff4, &options);
	if (vds_turtle_available()) {
		struct vds_image *to = open_ok(&aff4);
		for (uint64_t pa = 0; pa < 0x24000; pa += 777) {
			uint8_t a[3000], b[3000];
			size_t len = (size_t)(pa % sizeof(a)) + 1;
			enum vds_why why = vds_image_read(from, pa, a, len);
			ck_assert_int_eq(vds_image_read(to, pa, b, len), why);
			if (!why)
				ck_assert_mem_eq(a, b, len);
		}
		vds_image_close(to);
	}
	temp_close(&aff4);
	vds_image_close(from);
	temp_close(&lime);
}
END_TEST

/* --- volumes by hand: each with one thing to look at ------------------ */

struct entry {
	uint64_t pa, len, offset;
	uint32_t id;
};

/* A volume with @turtle behind the prefixes, a map, and two chunks of data. */
static void volume(struct temp *t, const char *turtle, const char *idx,
		   const struct entry *entries, size_t count)
{
	struct vds_zip_writer w = {0};
	uint8_t map[28 * 8], bevy[8192], index[24] = {0};
	char text[4096];
	temp_open(t);
	w.fd = fileno(t->f);
	for (size_t i = 0; i < count; i++) {
		vds_put_le64(map + 28 * i, entries[i].pa);
		vds_put_le64(map + 28 * i + 8, entries[i].len);
		vds_put_le64(map + 28 * i + 16, entries[i].offset);
		vds_put_le32(map + 28 * i + 24, entries[i].id);
	}
	memset(bevy, 'A', 4096);
	memset(bevy + 4096, 'B', 4096);
	vds_put_le32(index + 8, 4096);
	vds_put_le64(index + 12, 4096);
	vds_put_le32(index + 20, 4096);
	snprintf(text, sizeof(text),
		 "@prefix aff4: <" AFF4_NS "> .\n@base <" V "> .\n"
		 "</S> a aff4:ImageStream ; aff4:size 8192 ; aff4:chunkSize "
		 "4096 ; aff4:chunksInSegment 2 .\n%s", turtle);
	ck_assert_ptr_null(vds_zip_add(&w, "information.turtle", text,
				       strlen(text)));
	ck_assert_ptr_null(vds_zip_add(&w, "container.description", V,
				       strlen(V)));
	ck_assert_ptr_null(vds_zip_add(&w, "S/00000000", bevy, 8192));
	ck_assert_ptr_null(vds_zip_add(&w, "S/00000000.index", index, 24));
	ck_assert_ptr_null(vds_zip_add(&w, "M/map", map, 28 * count));
	ck_assert_ptr_null(vds_zip_add(&w, "M/idx", idx, strlen(idx)));
	ck_assert_ptr_null(vds_zip_add(&w, "N/map", map, 28 * count));
	ck_assert_ptr_null(vds_zip_add(&w, "N/idx", V "/S", strlen(V "/S")));
	ck_assert_ptr_null(vds_zip_finish(&w, V));
	vds_zip_writer_deinit(&w);
}

#define MAP "</M> a aff4:Map ; aff4:size 65536 ; aff4:category <" AFF4_NS MEM

static uint8_t first_byte(const struct vds_image *image, uint64_t pa)
{
	uint8_t b = 0;
	ck_assert_int_eq(vds_image_read(image, pa, &b, 1), VDS_PRESENT);
	return b;
}

START_TEST(symbolic_streams_have_their_kinds)
{
	static const struct entry entries[] = {
		{0x5000, 0x1000, 0, 0}, {0x0000, 0x1000, 0x1000, 0},
		{0x2000, 0x1000, 0, 1}, {0x3000, 0x1000, 0x100000, 2},
		{0x4000, 0x1000, 5, 3}, {0x7000, 0x1000, 0, 4},
	};
	struct temp t;
	volume(&t, MAP, V "/S\r\n" AFF4_NS "Zero\r\n" AFF4_NS
	       "UnreadableData\n" AFF4_NS "UnknownData\n" AFF4_NS
	       "SymbolicStream61\n", entries, 6);
	struct vds_image *image = open_ok(&t);
	uint8_t buf[16];
	ck_assert_uint_eq(first_byte(image, 0), 'B');
	ck_assert_uint_eq(first_byte(image, 0x5fff), 'A');
	ck_assert_uint_eq(first_byte(image, 0x2000), 0);
	ck_assert_uint_eq(first_byte(image, 0x7123), 'a');
	ck_assert_int_eq(vds_image_range_at(image, 0x2000)->kind,
			 VDS_RANGE_ZERO);
	ck_assert_int_eq(vds_image_range_at(image, 0x7000)->kind,
			 VDS_RANGE_CONSTANT);
	/* Bytes that are there, but no entries of a page table. */
	ck_assert_int_eq(vds_image_read_table(image, 0x7000, buf, 8),
			 VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(vds_image_read_table(image, 0x5ffc, buf, 4),
			 VDS_PRESENT);
	ck_assert_int_eq(vds_image_read_table(image, 0x2000, buf, 8),
			 VDS_PRESENT);
	uint64_t seen = 0;
	uint8_t page[4096];
	for (uint64_t pa = 0; vds_image_scan(image, &pa, page, 4096);
	     pa += 4096)
		seen |= UINT64_C(1) << (pa >> 12);
	ck_assert_uint_eq(seen, 1 << 0 | 1 << 5);
	ck_assert_ptr_null(vds_image_range_at(image, 0x1000));
	for (uint64_t pa = 0x3000; pa < 0x5000; pa += 0x1000) {
		const struct vds_range *r = vds_image_range_at(image, pa);
		ck_assert_int_eq(r->kind, VDS_RANGE_UNREADABLE);
		ck_assert_int_eq(vds_image_read(image, pa, buf, 1),
				 VDS_NOT_IN_IMAGE);
		image->pattern(image, r->source, buf, 16);
		ck_assert_mem_eq(buf, pa == 0x3000 ? "UNREADABLEDATAUN" :
				 "WNUNKNOWNUNKNOWN", 16);
	}
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(maps_may_lie_in_maps)
{
	/* N is the same table, over the stream. */
	static const struct entry entries[] = {{0x1000, 0x1000, 0x1000, 0}};
	struct temp t;
	volume(&t, MAP "</N> a aff4:Map .\n", V "/N\n", entries, 1);
	struct vds_image *image = open_ok(&t);
	size_t count;
	vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(first_byte(image, 0x1000), 'B');
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(gaps_may_have_a_stream)
{
	static const struct entry entries[] = {{0x1000, 0x1000, 0, 0}};
	struct temp t;
	volume(&t, MAP "</M> aff4:mapGapDefaultStream aff4:UnknownData .\n",
	       V "/S\n", entries, 1);
	struct vds_image *image = open_ok(&t);
	size_t count;
	const struct vds_range *r = vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(r[0].kind, VDS_RANGE_UNREADABLE);
	ck_assert_int_eq(r[1].kind, VDS_RANGE_DATA);
	ck_assert_int_eq(r[2].kind, VDS_RANGE_UNREADABLE);
	ck_assert_uint_eq(vds_image_end(image), 65536);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

/* Two maps, both said to be memory: the first, or the one asked for. */
START_TEST(the_user_may_choose_the_memory)
{
	static const struct entry entries[] = {{0x1000, 0x1000, 0x1000, 0}};
	static const struct {
		const char *object, *says;
	} cases[] = {{V "/M", NULL}, {"M", NULL}, {V "/S", NULL},
		     {V "/nosuch", "which has <" V "/M>, <" V "/S>"}};
	struct temp t;
	volume(&t, MAP "</S> aff4:category <" AFF4_NS "memory/physical> .\n",
	       V "/S\n", entries, 1);
	struct vds_image *image = open_ok(&t);
	ck_assert_uint_eq(vds_image_notes(image)->count, 1);
	ck_assert_uint_eq(image->ranges[0].pa, 0x1000);
	vds_image_close(image);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		const struct vds_image_options options = {
			.object = cases[i].object};
		struct vds_error *err = vds_image_open(t.path, &options,
						       &image);
		if (cases[i].says) {
			ck_assert_ptr_nonnull(err);
			ck_assert_int_eq(err->code, VDS_ERROR_USAGE);
			ck_assert_msg(strstr(err->message, cases[i].says),
				      "%s", err->message);
			vds_error_destroy(err);
			continue;
		}
		ck_assert_ptr_null(err);
		ck_assert_uint_eq(image->ranges[0].pa, i == 2 ? 0 : 0x1000);
		ck_assert_uint_eq(vds_image_notes(image)->count, 0);
		vds_image_close(image);
	}
	temp_close(&t);
}
END_TEST

START_TEST(excess_of_an_entry_is_absent)
{
	static const struct entry entries[] = {{0x1000, 0x3000, 0x1000, 0},
					       {0xf000, 0x2000, 0, 0}};
	struct temp t;
	volume(&t, MAP, V "/S\n", entries, 2);
	struct vds_image *image = open_ok(&t);
	size_t count;
	const struct vds_range *r = vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(r[0].len, 0x1000);	/* the stream ends */
	ck_assert_uint_eq(r[1].len, 0x1000);	/* the map ends */
	ck_assert_uint_eq(vds_image_notes(image)->count, 2);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(petabytes_of_a_constant_are_not_scanned)
{
	static const struct entry entries[] = {
		{0, UINT64_C(1) << 50, 0, 0}};
	struct temp t;
	volume(&t, "</M> a aff4:Map ; aff4:category <" AFF4_NS MEM,
	       AFF4_NS "SymbolicStreamFF\n", entries, 1);
	struct vds_image *image = open_ok(&t);
	uint64_t pa = 0;
	uint8_t page[4096];
	ck_assert_uint_eq(vds_image_scan(image, &pa, page, 4096), 0);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	ck_assert_uint_eq(first_byte(image, UINT64_C(1) << 49), 0xff);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const struct entry whole[] = {{0, 0x2000, 0, 0}};
	static const struct {
		const char *turtle, *idx, *says;
		enum vds_error_code code;
	} cases[] = {
		{"", V "/S\n", "", 0},
		{MAP "</N> a aff4:Map .\n", V "/M\n", "refers to itself",
		 VDS_ERROR_FORMAT},
		{MAP, "", "target id 0, but idx has 0 lines", VDS_ERROR_FORMAT},
		{MAP, V "/elsewhere\n", "/elsewhere", VDS_ERROR_FORMAT},
		{MAP "</X> a aff4:ImageStream ; aff4:size 1 ; aff4:chunkSize "
		 "99999999 .", V "/X\n", "chunkSize 99999999",
		 VDS_ERROR_FORMAT},
		{MAP "</X> a aff4:EncryptedStream .", V "/X\n",
		 "EncryptedStream", VDS_ERROR_UNSUPPORTED},
		{"</I> a aff4:MemoryImage ; aff4:dataStream </J> . </J> "
		 "aff4:dataStream </I> .", "", "dataStream leads",
		 VDS_ERROR_FORMAT},
		{"</S> aff4:size \"8k\" .", "", "\"8k\" is not an integer",
		 VDS_ERROR_FORMAT},
	};
	for (size_t i = 1; i < VDS_ARRAY_SIZE(cases); i++) {
		struct temp t;
		volume(&t, cases[i].turtle, cases[i].idx, whole, 1);
		open_fails(&t, cases[i].code, cases[i].says);
		temp_close(&t);
	}
}
END_TEST

/* One member "PhysicalMemory" without a word of metadata about it. */
static void plain(struct temp *t, const char *data, size_t len)
{
	struct vds_zip_writer w = {0};
	temp_open(t);
	w.fd = fileno(t->f);
	ck_assert_ptr_null(vds_zip_add(&w, "container.description", V,
				       strlen(V)));
	ck_assert_ptr_null(vds_zip_add(&w, "PhysicalMemory", data, len));
	ck_assert_ptr_null(vds_zip_finish(&w, V));
	vds_zip_writer_deinit(&w);
}

START_TEST(a_member_may_be_the_memory)
{
	struct temp t;
	plain(&t, "memory", 6);
	struct vds_image *image = open_ok(&t);
	ck_assert_uint_eq(vds_image_stream_size(image), 6);
	ck_assert_uint_eq(first_byte(image, 5), 'y');
	ck_assert_str_eq(vds_image_dialect(image), "plain member");
	vds_image_close(image);
	temp_close(&t);
	plain(&t, "\177ELF....", 8);
	open_fails(&t, VDS_ERROR_FORMAT, "ELF header: the file ends");
	temp_close(&t);
	/* One segment of two bytes at 0x1000, in a core in the volume. */
	uint8_t core[64 + 56 + 2] = "\177ELF\2\1\1";
	vds_put_le16(core + 16, 4);
	vds_put_le64(core + 32, 64);
	vds_put_le16(core + 54, 56);
	vds_put_le16(core + 56, 1);
	vds_put_le32(core + 64, 1);
	vds_put_le64(core + 64 + 8, 120);
	vds_put_le64(core + 64 + 24, 0x1000);
	vds_put_le64(core + 64 + 32, 2);
	vds_put_le64(core + 64 + 40, 2);
	memcpy(core + 120, "xy", 2);
	plain(&t, (const char *)core, sizeof(core));
	image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "aff4");
	ck_assert_uint_eq(vds_image_end(image), 0x1002);
	ck_assert_uint_eq(vds_image_stream_size(image), 0x1002);
	ck_assert_uint_eq(first_byte(image, 0x1001), 'y');
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aff4-volume");
	TCase *tc = tcase_create("written");
	tcase_add_loop_test(tc, what_is_written_is_read, 0, VDS_NUM_CODECS);
	tcase_add_test(tc, threads_dont_change_a_byte);
	tcase_add_test(tc, small_reads_agree);
	suite_add_tcase(suite, tc);
	if (vds_turtle_available()) {
		tc = tcase_create("volumes");
		tcase_add_test(tc, symbolic_streams_have_their_kinds);
		tcase_add_test(tc, maps_may_lie_in_maps);
		tcase_add_test(tc, gaps_may_have_a_stream);
		tcase_add_test(tc, the_user_may_choose_the_memory);
		tcase_add_test(tc, excess_of_an_entry_is_absent);
		tcase_add_test(tc, petabytes_of_a_constant_are_not_scanned);
		tcase_add_test(tc, nonsense_is_refused);
		tcase_add_test(tc, a_member_may_be_the_memory);
		suite_add_tcase(suite, tc);
	}
	return run_suite(suite);
}
