/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

static void hex_of(void (*init)(struct vds_sha256 *), const void *data,
		   size_t len, size_t step, char out[VDS_SHA256_HEX_SIZE])
{
	struct vds_sha256 hash;
	uint8_t digest[VDS_SHA256_SIZE];
	init(&hash);
	for (size_t pos = 0; pos < len; pos += step)
		vds_sha256_update(&hash, (const char *)data + pos,
				  len - pos < step ? len - pos : step);
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, out);
}

/* FIPS 180-2 appendix B and NIST's short messages. */
static const struct {
	const char *message, *digest;
} vectors[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb924"
	     "27ae41e4649b934ca495991b7852b855"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223"
		"b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	 "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

START_TEST(published_vectors)
{
	char hex[VDS_SHA256_HEX_SIZE];
	const char *message = vectors[_i].message;
	hex_of(vds_sha256_init, message, strlen(message), 1000, hex);
	ck_assert_str_eq(hex, vectors[_i].digest);
	hex_of(vds_sha256_init_portable, message, strlen(message), 7, hex);
	ck_assert_str_eq(hex, vectors[_i].digest);
}
END_TEST

START_TEST(a_million_times_a)
{
	char hex[VDS_SHA256_HEX_SIZE];
	char *a = malloc(1000000);
	memset(a, 'a', 1000000);
	hex_of(vds_sha256_init, a, 1000000, 977, hex);
	ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
			      "f1809a48a497200e046d39ccc7112cd0");
	hex_of(vds_sha256_init_portable, a, 1000000, 1000000, hex);
	ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
			      "f1809a48a497200e046d39ccc7112cd0");
	free(a);
}
END_TEST

START_TEST(every_length_and_split_agrees)
{
	uint8_t data[300];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 131 + (i >> 3));
	for (size_t len = 0; len <= sizeof(data); len++) {
		char whole[VDS_SHA256_HEX_SIZE], parts[VDS_SHA256_HEX_SIZE];
		hex_of(vds_sha256_init_portable, data, len, 300, whole);
		for (size_t step = 1; step < 130; step += 9) {
			hex_of(vds_sha256_init, data, len, step, parts);
			ck_assert_str_eq(whole, parts);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sha256");
	TCase *tc = tcase_create("sha256");
	tcase_add_loop_test(tc, published_vectors, 0,
			    (int)(sizeof(vectors) / sizeof(vectors[0])));
	tcase_add_test(tc, a_million_times_a);
	tcase_add_test(tc, every_length_and_split_agrees);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
