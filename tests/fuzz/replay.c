/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over each file of a corpus folder, in name order. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	size_t cap = (size_t)1 << 24;
	uint8_t *whole = malloc(cap);
	size_t len = whole ? fread(whole, 1, cap, f) : 0;
	fclose(f);
	/* An allocation of the exact size lets ASan see reads past the end. */
	uint8_t *data = malloc(len ? len : 1);
	if (!whole || !data)
		return 1;
	memcpy(data, whole, len);
	free(whole);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int files = 0;
	for (int i = 1; i < argc; i++) {
		struct dirent **list;
		int n = scandir(argv[i], &list, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			char path[4096];
			snprintf(path, sizeof(path), "%s/%s", argv[i],
				 list[k]->d_name);
			if (list[k]->d_name[0] != '.') {
				if (run_file(path))
					return 1;
				files++;
			}
			free(list[k]);
		}
		if (n >= 0)
			free(list);
	}
	printf("%d files replayed\n", files);
	return files ? 0 : 1;	/* a replay of nothing proves nothing */
}
