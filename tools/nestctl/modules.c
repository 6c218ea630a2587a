// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's modules.  The build ID tells from which file a loaded one came: the
 * distribution's kernels have no srcversion for most modules.
 */
#include <libelf.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>

#include "nestctl.h"

#define SIGNATURE	"~Module signature appended~\n"
#define NOTE_NAME	".note.gnu.build-id"

/* A directory, with the kernel's release in the middle. */
struct place {
	const char *before, *after;
};

/* Where depmod looks, in the order in which modprobe prefers them. */
static const struct place nvx_places[] = {
	{ "/lib/modules/", "/updates/nvx" },
	{ "/lib/modules/", "/updates/dkms" },
};

/* DKMS 3.2 moves away what it replaces. */
static const struct place stock_places[] = {
	{ "/lib/modules/", "/kernel/arch/x86/kvm" },
	{ "/var/lib/dkms/nestcloud/original_module/", "/x86_64" },
};

static const char *const suffixes[] = { "ko", "ko.xz", "ko.zst", "ko.gz" };

static void hex(char *to, size_t room, const unsigned char *from, size_t size)
{
	size_t i;

	*to = 0;
	for (i = 0; i < size && 2 * i + 2 < room; i++)
		sprintf(to + 2 * i, "%02x", from[i]);
}

/* The one note in this section: sizes of name and contents, type, name, contents. */
static void take_note(char *to, size_t room, const void *data, size_t size)
{
	uint32_t head[3];
	size_t at;

	*to = 0;
	if (size < sizeof(head))
		return;
	memcpy(head, data, sizeof(head));
	if (head[0] > size || head[1] > size)
		return;
	at = sizeof(head) + ((head[0] + 3) & ~3u);
	if (at + head[1] <= size)
		hex(to, room, (const unsigned char *)data + at, head[1]);
}

static void take_section(struct module_file *file, const char *name, const Elf_Data *data)
{
	if (!data || !data->d_buf)
		return;
	if (!strcmp(name, NOTE_NAME))
		take_note(file->build_id, sizeof(file->build_id), data->d_buf, data->d_size);
	if (strcmp(name, ".modinfo") || file->modinfo)
		return;
	file->modinfo = malloc(data->d_size + 1);
	if (!file->modinfo)
		die(EXIT_UNKNOWN, "out of memory");
	memcpy(file->modinfo, data->d_buf, data->d_size);
	file->modinfo[data->d_size] = 0;
	file->modinfo_size = data->d_size;
}

static int take_image(struct module_file *file, char *image, size_t size)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory(image, size);
	if (!elf)
		return -1;
	if (elf_kind(elf) == ELF_K_ELF && !elf_getshdrstrndx(elf, &names)) {
		while ((section = elf_nextscn(elf, section))) {
			const char *name;

			if (!gelf_getshdr(section, &header))
				continue;
			name = elf_strptr(elf, names, header.sh_name);
			if (name)
				take_section(file, name, elf_getdata(section, NULL));
		}
	}
	elf_end(elf);
	return file->modinfo ? 0 : -1;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
	size_t n = strlen(end);

	return size >= n && !memcmp(text + size - n, end, n);
}

static char *read_image(const char *path, size_t *size)
{
	autofree char *whole = below_root("%s", path);
	const char *tool = ends_with(path, strlen(path), ".xz") ? "xz" :
			   ends_with(path, strlen(path), ".zst") ? "zstd" :
			   ends_with(path, strlen(path), ".gz") ? "gzip" : NULL;
	const char *const argv[] = { tool, "-dc", "--", whole, NULL };

	return tool ? capture(size, argv) : read_data(size, "%s", path);
}

/**
 * module_read() - Read what a module's file says of it
 * @file: filled in; for module_free() in any case
 * @path: of the machine
 *
 * Return: 0, or -1 if it cannot be read or is no module.
 */
int module_read(struct module_file *file, const char *path)
{
	autofree char *image = NULL;
	size_t size;

	memset(file, 0, sizeof(*file));
	image = read_image(path, &size);
	if (!image)
		return -1;
	file->is_signed = ends_with(image, size, SIGNATURE);
	return take_image(file, image, size);
}

void module_free(struct module_file *file)
{
	free(file->modinfo);
	file->modinfo = NULL;
}

/**
 * module_info() - The first value of a key
 * @file: from module_read()
 * @key: for instance "vermagic"
 * @prefix: how the value has to begin, "" for any
 *
 * Return: the value behind @prefix, valid as long as @file; NULL if there is none.
 */
const char *module_info(const struct module_file *file, const char *key, const char *prefix)
{
	size_t at, n = strlen(key);
	const char *entry;

	for (at = 0; file->modinfo && at < file->modinfo_size; at += strlen(entry) + 1) {
		entry = file->modinfo + at;
		if (!strncmp(entry, key, n) && entry[n] == '=' &&
		    !strncmp(entry + n + 1, prefix, strlen(prefix)))
			return entry + n + 1 + strlen(prefix);
	}
	return NULL;
}

static char *find_file(const char *release, const struct place *place, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char *path = text_of("%s%s%s/%s.%s", place->before, release, place->after, name,
				     suffixes[i]);

		if (exists("%s", path))
			return path;
		free(path);
	}
	return NULL;
}

/**
 * module_path() - Where a module of a kernel is installed
 * @release: of the kernel
 * @name: as a file, with "-"
 * @nvx: ours, or the distribution's
 *
 * Return: memory to be freed; NULL if it is not.
 */
char *module_path(const char *release, const char *name, bool nvx)
{
	const struct place *places = nvx ? nvx_places : stock_places;
	size_t i, nr = nvx ? ARRAY_SIZE(nvx_places) : ARRAY_SIZE(stock_places);
	char *path = NULL;

	for (i = 0; i < nr && !path; i++)
		path = find_file(release, &places[i], name);
	return path;
}

/**
 * module_loaded() - Is it?
 * @name: as a module, with "_"
 *
 * Return: true if the machine has loaded it.
 */
bool module_loaded(const char *name)
{
	return exists("/sys/module/%s/refcnt", name) ||
	       exists("/sys/module/%s/initstate", name);
}

/**
 * nvx_loaded() - Is the kvm_intel that is loaded ours?
 *
 * Return: true if it has our master switch.
 */
bool nvx_loaded(void)
{
	return exists("/sys/module/kvm_intel/parameters/nvx");
}

/**
 * which_kvm() - Whose KVM is loaded
 *
 * Return: "none", "stock", "nvx", or "other" for kvm without kvm_intel.
 */
const char *which_kvm(void)
{
	if (!module_loaded("kvm_intel"))
		return module_loaded("kvm") ? "other" : "none";
	return nvx_loaded() ? "nvx" : "stock";
}

static char *loaded_build_id(const char *name)
{
	char text[2 * 32 + 1];
	autofree char *note = NULL;
	size_t size;

	note = read_data(&size, "/sys/module/%s/notes/" NOTE_NAME, name);
	if (!note)
		return NULL;
	take_note(text, sizeof(text), note, size);
	return *text ? text_of("%s", text) : NULL;
}

/**
 * module_origin() - The installed file from which a module was loaded
 * @name: as a module, with "_"
 * @file: filled in; for module_free() in any case
 *
 * Return: its path, memory to be freed; NULL if no file has the same build ID.
 */
char *module_origin(const char *name, struct module_file *file)
{
	autofree char *build_id = loaded_build_id(name);
	autofree char *release = kernel_release();
	autofree char *stem = text_of("%s", name);
	char *path, *dash = strchr(stem, '_');
	int nvx;

	memset(file, 0, sizeof(*file));
	if (dash)
		*dash = '-';
	for (nvx = 1; nvx >= 0; nvx--) {
		path = module_path(release, stem, nvx);
		if (path && !module_read(file, path) && build_id &&
		    !strcmp(file->build_id, build_id))
			return path;
		free(path);
		module_free(file);
	}
	return NULL;
}

static void add_params(struct json_object *status, const char *name,
		       const struct module_file *file)
{
	struct json_object *params = put_array(status, "parameters"), *param;
	struct dirent **entries;
	int i, nr = list(&entries, "/sys/module/%s/parameters", name);

	for (i = 0; i < nr; i++) {
		const char *key = entries[i]->d_name;
		autofree char *value = printable(read_text("/sys/module/%s/parameters/%s",
							   name, key));
		autofree char *usual = param_default(file, name, key);

		if (!value || !usual || param_equal(value, usual))
			continue;
		param = append_object(params);
		put_string(param, "name", key);
		put_string(param, "value", value);
		put_string(param, "default", usual);
	}
	free_list(entries, nr);
}

/**
 * module_status() - What is known of a module
 * @name: as a module, with "_"
 *
 * Return: an object.
 */
struct json_object *module_status(const char *name)
{
	struct json_object *status = json_object_new_object();
	autofree char *version = printable(read_text("/sys/module/%s/version", name));
	autofree char *srcversion = printable(read_text("/sys/module/%s/srcversion", name));
	autofree char *taint = printable(read_text("/sys/module/%s/taint", name));
	autofree char *build_id = loaded_build_id(name);
	struct module_file file = { 0 };
	autofree char *path = NULL;

	put_string(status, "name", name);
	put_bool(status, "loaded", module_loaded(name));
	if (!module_loaded(name))
		return status;
	path = module_origin(name, &file);
	put_string(status, "version", version);
	put_string(status, "srcversion", srcversion);
	put_string(status, "build_id", build_id);
	put_string(status, "file", path);
	put_int(status, "users", read_int(0, "/sys/module/%s/refcnt", name));
	put_string(status, "taint", taint && *taint ? taint : NULL);
	add_params(status, name, &file);
	module_free(&file);
	return status;
}
