/* SPDX-License-Identifier: Apache-2.0 */
/* What AFF4 volumes are made of: codecs, hashes, cache, names, turtle. */
#include <pthread.h>

#include "base/work.h"
#include "image/aff4_internal.h"
#include "image/hashes.h"
#include "image/aff4_yaml.h"
#include "image/oldhash.h"
#include "image_temp.h"

#define V "aff4://00000000-0000-0000-0000-0000000000aa"

/* --- codecs ----------------------------------------------------------- */

static void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	/* Runs of random length, so that every codec finds something. */
	for (size_t i = 0; i < len;) {
		seed = seed * 1664525 + 1013904223;
		size_t n = seed >> 27;
		for (size_t k = 0; k <= n && i < len; k++)
			buf[i++] = (uint8_t)(seed >> 16);
	}
}

START_TEST(codecs_give_back_what_they_got)
{
	enum vds_codec codec = (enum vds_codec)_i;
	struct vds_decoder decoder = {0};
	uint8_t in[5000], packed[6000], out[5000];
	size_t len, n;
	fill(in, sizeof(in), (uint32_t)_i + 1);
	if (!vds_codec_available(codec)) {
		ck_assert(!vds_codec_encode(codec, in, sizeof(in), packed,
					    sizeof(packed), &len));
		ck_assert(!vds_codec_decode(&decoder, codec, in, sizeof(in),
					    out, sizeof(out), 1, &n));
		return;
	}
	ck_assert(vds_codec_encode(codec, in, sizeof(in), packed,
				   sizeof(packed), &len));
	ck_assert_uint_le(len, vds_codec_bound(codec, sizeof(in)));
	for (int i = 0; i < 2; i++) {	/* the decoder is used again */
		memset(out, 0, sizeof(out));
		ck_assert(vds_codec_decode(&decoder, codec, packed, len, out,
					   sizeof(out), sizeof(in), &n));
		ck_assert_uint_eq(n, sizeof(in));
		ck_assert_mem_eq(in, out, n);
	}
	/* Less room than needed, more bytes wanted than there are. */
	if (codec != VDS_CODEC_STORED)
		ck_assert(!vds_codec_decode(&decoder, codec, packed, len, out,
					    4999, 4999, &n));
	ck_assert(!vds_codec_decode(&decoder, codec, packed, len, out,
				    sizeof(out), 5001, &n));
	if (codec != VDS_CODEC_STORED)
		ck_assert(!vds_codec_decode(&decoder, codec, packed, len / 2,
					    out, sizeof(out), sizeof(in), &n));
	vds_decoder_deinit(&decoder);
}
END_TEST

START_TEST(codecs_accept_what_other_tools_write)
{
	struct vds_decoder decoder = {0};
	uint8_t in[3000], packed[4000], out[3000];
	size_t len, n;
	fill(in, sizeof(in), 7);
	/* "deflate" that is wrapped as zlib and padded behind: c-aff4. */
	ck_assert(vds_codec_encode(VDS_CODEC_ZLIB, in, sizeof(in), packed,
				   sizeof(packed), &len));
	memset(packed + len, 0, 15);
	ck_assert(vds_codec_decode(&decoder, VDS_CODEC_DEFLATE, packed,
				   len + 15, out, sizeof(out), sizeof(in), &n));
	ck_assert_mem_eq(in, out, sizeof(in));
	if (vds_codec_available(VDS_CODEC_LZ4)) {
		/* The size in front of an lz4 block: pyaff4. */
		ck_assert(vds_codec_encode(VDS_CODEC_LZ4, in, sizeof(in),
					   packed + 4, sizeof(packed) - 4,
					   &len));
		vds_put_le32(packed, sizeof(in));
		ck_assert(vds_codec_decode(&decoder, VDS_CODEC_LZ4, packed,
					   len + 4, out, sizeof(out),
					   sizeof(in), &n));
		ck_assert_mem_eq(in, out, sizeof(in));
	}
	vds_decoder_deinit(&decoder);
}
END_TEST

/* RFC 1321, A.5, and FIPS 180-1, appendix A, each in two parts. */
START_TEST(old_hashes_have_their_test_vectors)
{
	static const uint8_t md5[] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f,
				      0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1,
				      0x7f, 0x72};
	static const uint8_t sha1[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
				       0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
				       0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	struct vds_oldhash hash;
	uint8_t out[VDS_SHA1_SIZE];
	vds_md5_init(&hash);
	vds_oldhash_update(&hash, "a", 1);
	vds_oldhash_update(&hash, "bc", 2);
	vds_md5_final(&hash, out);
	ck_assert_mem_eq(out, md5, sizeof(md5));
	vds_sha1_init(&hash);
	vds_oldhash_update(&hash, "abc", 3);
	vds_sha1_final(&hash, out);
	ck_assert_mem_eq(out, sha1, sizeof(sha1));
	/* FIPS 180-4's own: "abc", and two blocks. */
	static const char *const sha512[][2] = {
		{"abc",
		 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		 "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
		 "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"},
	};
	for (size_t i = 0; i < 2; i++) {
		struct vds_hashes h;
		uint8_t digest[VDS_HASH_MAX];
		char hex[VDS_HASH_HEX_SIZE];
		vds_hashes_init(&h, 1 << VDS_HASH_SHA512);
		vds_hashes_update(&h, sha512[i][0], strlen(sha512[i][0]));
		vds_hashes_final(&h, VDS_HASH_SHA512, digest);
		vds_hash_hex(VDS_HASH_SHA512, digest, hex);
		ck_assert_str_eq(hex, sha512[i][1]);
	}
	ck_assert_int_eq(vds_hash_by_name("sha256"), VDS_HASH_SHA256);
	ck_assert_int_eq(vds_hash_by_name("Blake2b"), VDS_NUM_HASHES);
}
END_TEST

/* --- the chunk cache -------------------------------------------------- */

static size_t load_number(void *ctx, uint64_t key, void *buf, size_t cap)
{
	atomic_uint *loads = ctx;
	atomic_fetch_add(loads, 1);
	for (size_t i = 0; i + 8 <= cap; i += 8)
		vds_put_le64((uint8_t *)buf + i, key);
	return key % 7 == 3 ? 0 : cap;	/* some chunks are bad */
}

START_TEST(the_cache_keeps_chunks_and_bad_news)
{
	atomic_uint loads = 0;
	uint8_t buf[16];
	size_t n;
	struct vds_chunk_cache *cache = vds_chunk_cache_create(4096, 1 << 20);
	ck_assert_ptr_nonnull(cache);
	ck_assert(!vds_chunk_cache_get(cache, 5, 0, buf, 8, &n));
	for (int i = 0; i < 3; i++) {
		ck_assert(vds_chunk_cache_read(cache, 5, 4088, buf, 16,
					       load_number, &loads, &n));
		ck_assert_uint_eq(n, 8);	/* up to the chunk's end */
		ck_assert_uint_eq(vds_le64(buf), 5);
		ck_assert(vds_chunk_cache_read(cache, 3, 0, buf, 8,
					       load_number, &loads, &n));
		ck_assert_uint_eq(n, 0);
	}
	ck_assert_uint_eq(atomic_load(&loads), 2);
	vds_chunk_cache_destroy(cache);
}
END_TEST

struct readers {
	struct vds_chunk_cache *cache;
	atomic_uint loads;
};

static struct vds_error *read_many(void *ctx, size_t task, unsigned int worker)
{
	struct readers *r = ctx;
	uint32_t seed = (uint32_t)task + 1;
	(void)worker;
	for (int i = 0; i < 20000; i++) {
		uint8_t buf[8];
		size_t n;
		seed = seed * 1664525 + 1013904223;
		uint64_t key = seed >> 24;	/* 256 chunks, 64 slots */
		if (!vds_chunk_cache_read(r->cache, key, (seed & 511) * 8, buf,
					  8, load_number, &r->loads, &n))
			continue;
		if (n != (key % 7 == 3 ? 0 : 8) || (n && vds_le64(buf) != key))
			return vds_error_create(VDS_ERROR_INTERNAL, "key %u",
						(unsigned int)key);
	}
	return NULL;
}

START_TEST(threads_share_the_cache)
{
	struct readers r = {.cache = vds_chunk_cache_create(4096, 64 * 4096)};
	struct vds_work work = {.threads = 4, .tasks = 8, .ctx = &r,
				.run = read_many};
	struct vds_error *err = vds_work_run(&work);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_uint_ge(atomic_load(&r.loads), 256);
	vds_chunk_cache_destroy(r.cache);
}
END_TEST

/* --- small parsers ---------------------------------------------------- */

START_TEST(names_are_decoded_once)
{
	struct vds_arena arena = {0};
	ck_assert_str_eq(vds_aff4_decode(&arena, "aff4%3A%2f%2Fx%2", 16),
			 "aff4://x%2");
	ck_assert_str_eq(vds_aff4_decode(&arena, "%2541", 5), "%41");
	ck_assert_ptr_null(vds_aff4_decode(&arena, "a%00b", 5));
	vds_arena_deinit(&arena);
}
END_TEST

START_TEST(winpmem_yaml_gives_hints)
{
	static const char text[] =
		"Imager: \"WinPmem 2.1\"\nRegisters:\n  CR3: 1761280\n"
		"NtBuildNumber: 19041\nRuns:\n  - start: 4096\n"
		"KernBase: 0xfffff80000000000\n";
	struct vds_winpmem_info info;
	vds_winpmem_info_parse(text, sizeof(text) - 1, &info);
	ck_assert_str_eq(info.imager, "WinPmem 2.1");
	ck_assert_uint_eq(info.cr3, 1761280);
	ck_assert_uint_eq(info.build, 19041);
	ck_assert_uint_eq(info.kernel_base, UINT64_C(0xfffff80000000000));
	vds_winpmem_info_parse("[[[[[[[[[[[[", 12, &info);
	vds_winpmem_info_parse("CR3: 5\nRegisters: [CR3, 7]", 26, &info);
	ck_assert_uint_eq(info.cr3, 0);
}
END_TEST

START_TEST(turtle_becomes_triples)
{
	static const char text[] =
		"@base <" V "> .\n@prefix aff4: <" AFF4_NS "> .\n"
		"</M> a aff4:Map ; aff4:size 8192, \"17\" ; aff4:stored <> .\n";
	struct vds_arena arena = {0};
	struct vds_turtle t;
	struct vds_error *err = vds_turtle_parse(&arena, "", text,
						 sizeof(text) - 1, &t);
	if (!vds_turtle_available()) {
		ck_assert_ptr_nonnull(err);
		ck_assert_ptr_nonnull(strstr(err->message, "serd"));
		vds_error_destroy(err);
		return;
	}
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_uint_eq(t.count, 4);
	ck_assert_str_eq(t.list[0].subject, V "/M");
	ck_assert_str_eq(t.list[0].object, AFF4_NS "Map");
	ck_assert(t.list[0].is_iri);
	ck_assert_str_eq(t.list[1].object, "8192");
	ck_assert_str_eq(t.list[2].object, "17");
	ck_assert_str_eq(t.list[3].object, V);
	vds_arena_deinit(&arena);
}
END_TEST

/* Pages of the parser's buffer are 4096 bytes. */
START_TEST(turtle_may_end_anywhere)
{
	static const char last[] = "<http://a> <http://b> 17 .";
	char text[2 * 4096 + 80];
	struct vds_turtle t;
	if (!vds_turtle_available())
		return;
	for (size_t len = (size_t)_i * 4096 - 50;
	     len < (size_t)_i * 4096 + 50; len++) {
		struct vds_arena arena = {0};
		for (size_t i = 0; i + sizeof(last) - 1 < len; i++)
			text[i] = i % 40 ? '#' : '\n';
		text[len - sizeof(last)] = '\n';
		memcpy(text + len - (sizeof(last) - 1), last, sizeof(last));
		struct vds_error *err = vds_turtle_parse(&arena, "", text, len,
							 &t);
		ck_assert_msg(!err, "%zu: %s", len, err ? err->message : "");
		ck_assert_uint_eq(t.count, 1);
		ck_assert_str_eq(t.list[0].object, "17");
		ck_assert(!t.repaired);
		vds_arena_deinit(&arena);
	}
}
END_TEST

START_TEST(hostile_turtle_is_refused)
{
	static const char *const texts[] = {
		"<a> <b> \"", "<a> <b> \"\"\"", "<a", "@prefix", "<a> <b> [ ",
		"<a> <b> c:d .", "\xff", "<a> <b> \"\\u\" ."};
	struct vds_arena arena = {0};
	struct vds_turtle t;
	if (!vds_turtle_available())
		return;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(texts); i++) {
		struct vds_error *err = vds_turtle_parse(
			&arena, V, texts[i], strlen(texts[i]), &t);
		ck_assert_msg(err, "%s", texts[i]);
		vds_error_destroy(err);
	}
	/* What writers of Windows' paths leave behind. */
	static const char *const odd[][2] = {
		{"<http://a/Program Files/{1}\\x> <http://b> \"y\" .",
		 "http://a/Program%20Files/%7B1%7D%5Cx"},
		{"# <x \"\n<http://a> <http://b> \"C:\\Windows\\temp\n\" .",
		 "C:\\Windows\temp\n"},
		{"<http://a> <http://b> \"\"\"a \"b\"\nc\\d\"\"\" .",
		 "a \"b\"\nc\\d"},
		{"<http://a> <http://b> '\xe4' .", "?"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(odd); i++) {
		struct vds_error *err = vds_turtle_parse(
			&arena, V, odd[i][0], strlen(odd[i][0]), &t);
		ck_assert_msg(!err, "%s: %s", odd[i][0],
			      err ? err->message : "");
		ck_assert(t.repaired);
		ck_assert_uint_eq(t.count, 1);
		ck_assert_str_eq(i ? t.list[0].object : t.list[0].subject,
				 odd[i][1]);
	}
	/* serd would recurse until the stack ends. */
	size_t n = 1000000;
	char *deep = malloc(n + 10);
	memcpy(deep, "<a> <b> ", 8);
	memset(deep + 8, '(', n);
	struct vds_error *err = vds_turtle_parse(&arena, V, deep, n + 8, &t);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, "brackets"));
	vds_error_destroy(err);
	free(deep);
	vds_arena_deinit(&arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aff4");
	TCase *tc = tcase_create("parts");
	tcase_add_loop_test(tc, codecs_give_back_what_they_got, 0,
			    VDS_NUM_CODECS);
	tcase_add_test(tc, codecs_accept_what_other_tools_write);
	tcase_add_test(tc, old_hashes_have_their_test_vectors);
	tcase_add_test(tc, the_cache_keeps_chunks_and_bad_news);
	tcase_add_test(tc, threads_share_the_cache);
	tcase_add_test(tc, names_are_decoded_once);
	tcase_add_test(tc, winpmem_yaml_gives_hints);
	tcase_add_test(tc, turtle_becomes_triples);
	tcase_add_loop_test(tc, turtle_may_end_anywhere, 1, 3);
	tcase_add_test(tc, hostile_turtle_is_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
