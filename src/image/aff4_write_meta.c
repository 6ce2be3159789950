/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_write_internal.h"

#include <string.h>

static const char *codec_uri(enum vds_codec codec)
{
	switch (codec) {
	case VDS_CODEC_STORED:
		break;
	case VDS_CODEC_ZLIB:
		return "https://www.ietf.org/rfc/rfc1950.txt";
	case VDS_CODEC_DEFLATE:
		return "https://tools.ietf.org/html/rfc1951";
	case VDS_CODEC_SNAPPY:
		return "http://code.google.com/p/snappy/";
	case VDS_CODEC_LZ4:
		return "https://code.google.com/p/lz4/";
	}
	return AFF4_NS "NullCompressor";
}

/* The acquisition time that the source states, if it is an ISO 8601 one. */
static const char *acquired(const struct vds_image *image)
{
	size_t count;
	const struct vds_image_meta *meta = vds_image_metadata(image, &count);
	for (size_t i = 0; i < count; i++) {
		const char *v = meta[i].value;
		if (!strcmp(meta[i].key, "acquired") && strlen(v) >= 19 &&
		    strspn(v, "0123456789-:.TZ+") == strlen(v))
			return v;
	}
	return NULL;
}

void vds_aff4_build_turtle(const struct vds_aff4_writer *w, const char *sha256,
			 struct vds_str *out)
{
	const char *v = w->urn, *time = acquired(w->image);
	unsigned long long size = vds_image_stream_size(w->image);
	vds_str_printf(out,
		"@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n"
		"@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
		"@prefix aff4: <%s> .\n\n<%s> a aff4:ZipVolume", AFF4_NS, v);
	if (time)
		vds_str_printf(out,
			" ;\n    aff4:creationTime \"%s\"^^xsd:dateTime", time);
	vds_str_printf(out,
		" ;\n    aff4:contains <%s/image> , <%s/PhysicalMemory> , "
		"<%s/PhysicalMemory/data> .\n\n"
		"<%s/image> a aff4:MemoryImage , aff4:Image , "
		"aff4:DiscontiguousImage ;\n"
		"    aff4:dataStream <%s/PhysicalMemory> ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> .\n\n", v, v, v, v, v, size, v);
	vds_str_printf(out,
		"<%s/PhysicalMemory> a aff4:Map ;\n"
		"    aff4:category <%smemory/physical> ;\n"
		"    aff4:dependentStream <%s/PhysicalMemory/data> ;\n"
		"    aff4:mapGapDefaultStream aff4:Zero ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> .\n\n", v, AFF4_NS, v, size, v);
	vds_str_printf(out,
		"<%s/PhysicalMemory/data> a aff4:ImageStream ;\n"
		"    aff4:chunkSize \"%u\"^^xsd:int ;\n"
		"    aff4:chunksInSegment \"%u\"^^xsd:int ;\n"
		"    aff4:compressionMethod <%s> ;\n"
		"    aff4:hash \"%s\"^^aff4:SHA256 ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> ;\n"
		"    aff4:target <%s/PhysicalMemory> ;\n"
		"    aff4:version \"1\"^^xsd:int .\n", v, w->chunk_size,
		w->chunks_per_bevy, codec_uri(w->options->codec), sha256,
		(unsigned long long)w->size, v, v);
}

void vds_aff4_build_yaml(const struct vds_aff4_writer *w, struct vds_str *out)
{
	const struct vds_image_hints *h = vds_image_hints(w->image);
	vds_str_printf(out, "Imager: \"vadose %s\"\n", VDS_VERSION);
	if (h->has_dtb)
		vds_str_printf(out, "Registers:\n  CR3: %llu\n",
			       (unsigned long long)h->dtb);
	if (h->build)
		vds_str_printf(out, "NtBuildNumber: %u\n", h->build);
	if (h->has_kernel_base)
		vds_str_printf(out, "KernBase: %llu\n",
			       (unsigned long long)h->kernel_base);
}
