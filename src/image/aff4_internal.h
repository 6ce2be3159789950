/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the AFF4 reader share: volumes (where bytes are), objects
 * (what the metadata says), streams and maps (how they make an address space).
 *
 * Facts and their sources: AFF4 Standard v1.0 and v1.0a (github aff4/Standard),
 * its reference images, and the volumes that Evimetry, libaff4/c-aff4, WinPmem
 * and pyaff4 really write. "Dialect": three generations name things differently
 *
 *                 standard         scudette (libaff4 2016)  Evimetry pre-std.
 *   stream type   ImageStream      image                    stream
 *   index         X.index, 12 B    X/index, u32 starts      X/index, u32 ends
 *   map entry     off len toff id  off toff len id          off len toff id
 */
#ifndef VDS_IMAGE_AFF4_INTERNAL_H
#define VDS_IMAGE_AFF4_INTERNAL_H

#include <stdatomic.h>

#include "image/chunk_cache.h"
#include "image/codec.h"
#include "image/format.h"
#include "image/turtle.h"
#include "image/zip.h"

#define AFF4_NS "http://aff4.org/Schema#"
#define AFF4_NS_2009 "http://afflib.org/2009/aff4#"

#define VDS_AFF4_TURTLE_MAX ((size_t)16 << 20)
#define VDS_AFF4_MAP_MAX ((size_t)56 << 20)	/* 2 M entries of 28 bytes */
#define VDS_AFF4_IDX_MAX ((size_t)24 << 20)
#define VDS_AFF4_CHUNK_MAX ((uint64_t)16 << 20)
#define VDS_AFF4_CHUNKS_MAX 65536	/* per bevy */
#define VDS_AFF4_BEVY_MAX ((uint64_t)2 << 30)	/* bytes, decoded */
#define VDS_AFF4_DEPTH_MAX 8			/* maps in maps, images of images */
#define VDS_AFF4_VOLUMES_MAX 64

struct vds_aff4_volume;

enum vds_aff4_dialect {
	VDS_AFF4_NO_DIALECT,	/* neither a map nor a stream by its type */
	VDS_AFF4_STANDARD,
	VDS_AFF4_SCUDETTE,
	VDS_AFF4_EVIMETRY,
};

/* A segment: a member of a zip volume, or a file of a directory volume. */
struct vds_aff4_member {
	const char *urn;	/* percent-decoded, absolute: "aff4://GUID/x" */
	struct vds_aff4_volume *volume;
	struct vds_zip_member *zip;	/* NULL in a directory */
	const char *path;		/* of the file, in a directory */
	uint64_t size;			/* bytes once inflated */
	uint8_t *blob;			/* a deflated member, inflated; or NULL */
	_Atomic(struct vds_file *) file;	/* of a directory, once opened */
};

struct vds_aff4_volume {
	const char *path;
	const char *urn;	/* "aff4://GUID" */
	const char *tool;	/* of version.txt, "" if not said */
	const char *version;	/* "1.0", "" if not said */
	struct vds_file *file;	/* NULL for a directory */
	bool owns_file;
	struct vds_zip zip;
	struct vds_aff4_member **members;	/* sorted by URN, unique */
	size_t num_members;
	struct vds_turtle turtle;	/* sorted by subject, else as in the text */
	atomic_uint open_files;
};

enum vds_aff4_index {
	VDS_AFF4_INDEX_STANDARD,	/* u64 offset, u32 length */
	VDS_AFF4_INDEX_STARTS,		/* u32 offset of each chunk's start */
	VDS_AFF4_INDEX_ENDS,		/* u32 offset of each chunk's end */
};

struct vds_aff4_bevy {
	uint32_t number;
	struct vds_aff4_member *data, *index;	/* either may be missing: NULL */
};

struct vds_aff4_stream {
	const char *urn;
	uint64_t size;			/* bytes */
	bool has_size;			/* the metadata gives it */
	uint32_t chunk_size;		/* bytes, never 0 */
	uint32_t chunks_per_bevy;	/* never 0 */
	enum vds_codec codec;
	enum vds_aff4_index index;
	bool stored_rule;		/* a chunk of chunk_size bytes is raw */
	bool complete;			/* no bevy or index entry is missing */
	struct vds_aff4_bevy *bevies;	/* sorted by number */
	size_t num_bevies;
};

enum vds_aff4_kind {
	VDS_AFF4_STREAM,
	VDS_AFF4_MEMBER,	/* a plain segment */
	VDS_AFF4_BYTE,		/* one byte for ever: SymbolicStreamXX, not 00 */
	VDS_AFF4_ZERO,
	VDS_AFF4_UNKNOWN,	/* not acquired; pattern "UNKNOWN" */
	VDS_AFF4_UNREADABLE,	/* read error; pattern "UNREADABLEDATA" */
};

/* What a range of the image is backed by. */
struct vds_aff4_target {
	const char *urn;
	enum vds_aff4_kind kind;
	uint8_t byte;
	struct vds_aff4_stream *stream;
	struct vds_aff4_member *member;
	uint64_t size;		/* bytes; UINT64_MAX for symbolic streams */
};

/*
 * A range's source: number of the target in the high bits, offset in it in the
 * low ones. Address spaces end at 2^52, so that no sum reaches bit 53.
 */
#define VDS_AFF4_SOURCE_BITS 53
#define VDS_AFF4_TARGETS_MAX 2047
/* The patterns of unknown and unreadable data start anew every MiB. */
#define VDS_AFF4_PATTERN_SIZE ((uint64_t)1 << 20)

/* The context of an open image. Pointers into the image's arena throughout. */
struct vds_aff4 {
	struct vds_image *image;
	uint64_t id;		/* unique in the process, for thread caches */
	struct vds_aff4_volume *volumes[VDS_AFF4_VOLUMES_MAX];
	size_t num_volumes;
	struct vds_aff4_target *targets;
	size_t num_targets, cap_targets;
	struct vds_chunk_cache *cache;
	size_t inflated;	/* bytes of all blobs */
	struct vds_aff4_member *core;	/* the memory is an ELF core in there */
	const char *missing;	/* URN that made opening fail: try to join */
	/* What may be the memory, the chosen one too. */
	const char *const *candidates;
	size_t num_candidates;
};

/* aff4_volume.c */

/*
 * Opens the volume at @path (@file already open, or NULL for a directory; it
 * is closed with the volume if @owns_file) and appends it to @a. NOT_MINE if
 * it is a zip archive without AFF4 metadata.
 */
struct vds_error *vds_aff4_volume_open(struct vds_aff4 *a, const char *path,
				       struct vds_file *file, bool owns_file);
void vds_aff4_volume_close(struct vds_aff4_volume *volume);
/* "aff4://GUID" out of @len bytes, up to a NUL, trimmed; NULL if it isn't one. */
const char *vds_aff4_clean_urn(struct vds_arena *arena, const char *s,
			       size_t len);
/* The absolute, decoded URN of the member called @name; NULL if it has none. */
const char *vds_aff4_member_urn(struct vds_arena *arena,
				const struct vds_aff4_volume *volume,
				const char *name, size_t len);
/* Sorts @list into volume->members; of several with one name the last counts. */
struct vds_error *vds_aff4_index_members(struct vds_aff4 *a,
					 struct vds_aff4_volume *volume,
					 struct vds_aff4_member *list,
					 size_t count);
/* The member with that URN in any volume, or NULL. */
struct vds_aff4_member *vds_aff4_find_member(const struct vds_aff4 *a,
					     const char *urn);
/* Index of the first member of @volume with URN >= @urn. */
size_t vds_aff4_lower_bound(const struct vds_aff4_volume *volume,
			    const char *urn);
/* The whole member; malloc'ed, NUL behind it. Messages name the member. */
struct vds_error *vds_aff4_extract(struct vds_aff4_member *member, size_t max,
				   uint8_t **ret, size_t *ret_len);
/* Makes a deflated member readable at random, in memory. */
struct vds_error *vds_aff4_inflate(struct vds_aff4 *a,
				   struct vds_aff4_member *member);
/* Copies up to @len bytes at @offset; returns how many. Thread-safe. */
size_t vds_aff4_member_read(struct vds_aff4_member *member, uint64_t offset,
			    void *buf, size_t len, bool sequential);

/* aff4_directory.c: volumes that are folders */

/* Lists the files of volume->path; NOT_MINE if that isn't a volume. */
struct vds_error *vds_aff4_folder_open(struct vds_aff4 *a,
				       struct vds_aff4_volume *volume);
/*
 * Segments may be called otherwise than their files: aff4:fileName of the
 * standard, directory/filename of c-aff4. Only listed files are ever opened.
 */
struct vds_error *vds_aff4_folder_rename(struct vds_aff4 *a,
					 struct vds_aff4_volume *volume);

/* aff4_model.c: what the metadata says, over all volumes */

/* Decodes %XX; NULL when out of memory or a NUL would appear. */
char *vds_aff4_decode(struct vds_arena *arena, const char *s, size_t len);
/*
 * The part of @iri behind an AFF4 namespace (either generation), or NULL.
 * *ret_old (may be NULL): it is the namespace of 2009.
 */
const char *vds_aff4_local(const char *iri, bool *ret_old);
/*
 * The @nth value of @subject's property; NULL past the last. @names are local
 * names, '|' between alternatives ("chunkSize|chunk_size"), any case.
 */
const struct vds_triple *vds_aff4_property(const struct vds_aff4 *a,
					   const char *subject,
					   const char *names, size_t nth);
/* As above: the first value that is an IRI, or NULL. */
const char *vds_aff4_iri(const struct vds_aff4 *a, const char *subject,
			 const char *names);
/* True if @subject has one of the types in @names (case matters here). */
bool vds_aff4_is_a(const struct vds_aff4 *a, const char *subject,
		   const char *names);
/*
 * The largest of the property's values, *ret_found false if there is none; an
 * error if one isn't an integer from 0 to 2^63 - 1.
 */
struct vds_error *vds_aff4_number(const struct vds_aff4 *a, const char *subject,
				  const char *names, uint64_t *ret,
				  bool *ret_found);

/* Which generation of writers made a map or stream: by its type. */
enum vds_aff4_dialect vds_aff4_dialect(const struct vds_aff4 *a,
				       const char *subject);

#define VDS_AFF4_MAP_TYPES "Map|map"
#define VDS_AFF4_STREAM_TYPES "ImageStream|image|stream"

/* aff4_select.c: which object is the memory */

/*
 * Its URN: a map, a stream or a plain member. The one that the options name, or
 * else the first that is said to be memory; VDS_ERROR_USAGE if there is no such.
 */
struct vds_error *vds_aff4_select(struct vds_aff4 *a, const char **ret);
/* Follows dataStream from @urn to a map, a stream or a member. */
struct vds_error *vds_aff4_data_object(struct vds_aff4 *a, const char *urn,
				       const char **ret);

/* aff4_join.c: other volumes of the same image, in the same folder */

/*
 * Looks into the AFF4 volumes beside the first one and keeps those that know
 * a->missing, or that some object of @a says it is stored in.
 */
struct vds_error *vds_aff4_join(struct vds_aff4 *a);
/* Sets a->missing; the error says what lacks and which volume to look for. */
struct vds_error *vds_aff4_missing(struct vds_aff4 *a, const char *urn,
				   const char *what);

/* aff4_stream.c */

/* Reads the stream's properties, finds its bevies, tries some of its chunks. */
struct vds_error *vds_aff4_stream_open(struct vds_aff4 *a, const char *urn,
				       struct vds_aff4_stream **ret);
/* The bevy with that number, or NULL. */
const struct vds_aff4_bevy *
vds_aff4_find_bevy(const struct vds_aff4_stream *stream, uint64_t number);
/* The place in stream->bevies of the first one from @number on. */
size_t vds_aff4_next_bevy(const struct vds_aff4_stream *stream,
			  uint64_t number);

/* aff4_chunk.c: reading a stream */

/* Where the bytes of a chunk are. */
struct vds_aff4_span {
	struct vds_aff4_member *data;
	uint64_t offset;	/* in data */
	uint32_t len;
	bool raw;		/* not compressed */
};

/* NULL, or what is wrong with the chunk's index entry. */
struct vds_error *vds_aff4_chunk_check(const struct vds_aff4_stream *stream,
				       uint64_t chunk,
				       struct vds_aff4_span *ret);
/* Entries of the index of @bevy; 0 if it or the data is missing. */
uint32_t vds_aff4_bevy_chunks(const struct vds_aff4_stream *stream,
			      const struct vds_aff4_bevy *bevy);
/* Bytes of the stream that lie in @chunk: chunk_size, or less in the last. */
size_t vds_aff4_chunk_len(const struct vds_aff4_stream *stream,
			  uint64_t chunk);
/* Decodes one chunk into @out (chunk_size bytes) with @codec; its length or 0. */
size_t vds_aff4_chunk_decode(const struct vds_aff4_stream *stream,
			     uint64_t chunk, enum vds_codec codec,
			     const struct vds_aff4_span *span, void *out);
/* Reads of target number @target; see struct vds_image's read(). */
size_t vds_aff4_stream_read(const struct vds_aff4 *a, size_t target,
			    uint64_t offset, void *buf, size_t len,
			    bool sequential);

/* aff4_target.c: what lies behind the ranges */

/*
 * The number of the target with @urn, opened if it is new; SIZE_MAX if @urn is
 * a map. A stream or member that is nowhere is vds_aff4_missing().
 */
struct vds_error *vds_aff4_get_target(struct vds_aff4 *a, const char *urn,
				      size_t *ret);
/* Fills @buf with the target's pattern or byte. */
void vds_aff4_fill(const struct vds_aff4_target *target, uint64_t offset,
		   void *buf, size_t len);

/* aff4_map.c: the address space */

/* Adds the ranges of object @urn (map, stream or member) to the image. */
struct vds_error *vds_aff4_map_object(struct vds_aff4 *a, const char *urn);

/* aff4.c */

/* The volumes behind @image, or NULL if it isn't AFF4. */
const struct vds_aff4 *vds_aff4_of(const struct vds_image *image);
/*
 * If @image is AFF4 and its position @source lies in a pattern: the URN of that
 * symbolic stream and the offset in it; else both stay as they are.
 */
void vds_aff4_symbolic(const struct vds_image *image, uint64_t source,
		       const char **ret_urn, uint64_t *ret_offset);

/* aff4_meta.c */

/* Adds tool, times, hashes and the like to the image's metadata and hints. */
struct vds_error *vds_aff4_add_meta(struct vds_aff4 *a, const char *urn);

#endif
