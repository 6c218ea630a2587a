// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks in the XML of a domain, as libvirt writes it: found, and given another source.  All else
 * stays as it is.
 */
#include <string.h>

#include "disks.h"
#include "nestctl.h"

#define OPEN	"<disk "
#define CLOSE	"</disk>"

static const struct {
	const char *name;
	char character;
} entities[] = {
	{ "&amp;", '&' }, { "&apos;", '\'' }, { "&quot;", '"' }, { "&lt;", '<' }, { "&gt;", '>' },
};

/* In place. */
static char *unescape(char *text)
{
	char *from = text, *to = text;
	size_t i;

	while (*from) {
		for (i = 0; i < ARRAY_SIZE(entities); i++)
			if (!strncmp(from, entities[i].name, strlen(entities[i].name)))
				break;
		if (i < ARRAY_SIZE(entities)) {
			*to++ = entities[i].character;
			from += strlen(entities[i].name);
		} else {
			*to++ = *from++;
		}
	}
	*to = 0;
	return text;
}

/* strstr() before @end. */
static const char *find(const char *from, const char *end, const char *text)
{
	const char *at = strstr(from, text);

	return at && at < end ? at : NULL;
}

/* The value of an attribute of the element at @element; NULL: it has none. */
static char *attribute(const char *element, const char *name)
{
	autofree char *begin = text_of(" %s='", name);
	const char *end = element ? strchr(element, '>') : NULL;
	const char *at = end ? find(element, end, begin) : NULL;

	if (!at)
		return NULL;
	at += strlen(begin);
	return unescape(text_of("%.*s", (int)strcspn(at, "'"), at));
}

/* Behind the element at @element, which may have others in it. */
static const char *end_of(const char *element, const char *close)
{
	const char *end = strchr(element, '>');

	if (!end || end[-1] == '/')
		return end ? end + 1 : NULL;
	end = strstr(end, close);
	return end ? end + strlen(close) : NULL;
}

/* Of the disk itself: what is behind it in a chain comes after. */
static const char *own_end(const struct disk_xml *disk)
{
	static const char *const others[] = { "<backingStore ", "<mirror " };
	const char *end = disk->end, *at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		at = find(disk->begin, end, others[i]);
		if (at)
			end = at;
	}
	return end;
}

static const char *source_of(const struct disk_xml *disk)
{
	return find(disk->begin, own_end(disk), "<source ");
}

static void read_source(struct disk_xml *disk)
{
	const char *source = source_of(disk), *end = source ? end_of(source, "</source>") : NULL;
	const char *host = end ? find(source, end, "<host ") : NULL;
	static const char *const names[] = { "file", "dev", "name" };
	size_t i;

	if (!end)
		return;
	for (i = 0; i < ARRAY_SIZE(names) && !disk->source; i++)
		disk->source = attribute(source, names[i]);
	/* Of some other kind: it has a source. */
	if (!disk->source)
		disk->source = text_of("%s", "");
	disk->protocol = attribute(source, "protocol");
	disk->host = attribute(host, "name");
	disk->port = attribute(host, "port");
}

/* QEMU's cache, as <max_size unit='bytes'>N</max_size>. */
static char *cache_size(const char *driver, const char *end)
{
	const char *size = driver ? find(driver, end, "<max_size ") : NULL;
	const char *digits = size ? find(size, end, "'bytes'>") : NULL;

	digits = digits ? strchr(digits, '>') + 1 : NULL;
	return digits ? text_of("%.*s", (int)strspn(digits, "0123456789"), digits) : NULL;
}

/**
 * disks_xml_next() - The next disk
 * @xml: of the domain
 * @disk: the last one, or all zero; filled in, for disks_xml_free()
 *
 * Return: false if there is none.
 */
bool disks_xml_next(const char *xml, struct disk_xml *disk)
{
	const char *begin = strstr(disk->end ?: xml, OPEN), *driver, *own;
	const char *end = begin ? strstr(begin, CLOSE) : NULL;
	autofree char *device = NULL;

	memset(disk, 0, sizeof(*disk));
	if (!end)
		return false;
	disk->begin = begin;
	disk->end = end + strlen(CLOSE);
	own = own_end(disk);
	driver = find(begin, own, "<driver ");
	disk->type = attribute(begin, "type");
	disk->format = attribute(driver, "type");
	disk->discard = attribute(driver, "discard");
	disk->io = attribute(driver, "io");
	disk->target = attribute(find(begin, disk->end, "<target "), "dev");
	disk->readonly = find(begin, disk->end, "<readonly/>");
	disk->cache_size = cache_size(driver, own);
	disk->chained = own != disk->end;
	disk->encrypted = find(begin, disk->end, "<encryption ");
	disk->sliced = find(begin, own, "<slices>");
	device = attribute(begin, "device");
	disk->lun = device && !strcmp(device, "lun");
	read_source(disk);
	return true;
}

void disks_xml_free(struct disk_xml *disk)
{
	free(disk->type);
	free(disk->format);
	free(disk->target);
	free(disk->source);
	free(disk->protocol);
	free(disk->host);
	free(disk->port);
	free(disk->discard);
	free(disk->io);
	free(disk->cache_size);
}

/**
 * disks_xml_target() - The disk with a name
 * @xml: of the domain
 * @target: the name
 * @disk: filled in, for disks_xml_free()
 *
 * Return: false if there is none.
 */
bool disks_xml_target(const char *xml, const char *target, struct disk_xml *disk)
{
	memset(disk, 0, sizeof(*disk));
	while (disks_xml_next(xml, disk)) {
		const char *end = disk->end;

		if (disk->target && !strcmp(disk->target, target))
			return true;
		disks_xml_free(disk);
		disk->end = end;
	}
	return false;
}

/* The XML with another type and source of a disk. */
static char *replace(const char *xml, const struct disk_xml *disk, const char *type,
		     const char *source)
{
	autofree char *begin = text_of(" type='%s'", disk->type);
	const char *old = find(disk->begin, disk->end, begin), *element = source_of(disk);
	const char *end = element ? end_of(element, "</source>") : NULL;

	if (!old || !end)
		return NULL;
	return text_of("%.*s type='%s'%.*s%s%s", (int)(old - xml), xml, type,
		       (int)(element - old - strlen(begin)), old + strlen(begin), source, end);
}

/**
 * disks_xml_serve() - Let a domain reach a disk through its server
 * @xml: of the domain
 * @disk: the disk
 *
 * Return: the new XML, to be freed; NULL if this is no XML of libvirt's.
 */
char *disks_xml_serve(const char *xml, const struct disk *disk)
{
	autofree char *source =
		text_of("<source protocol='nbd' name='%s'><host name='%s' port='%s'/></source>",
			disk->export, disk->address, disk->port);
	struct disk_xml now;
	char *fresh;

	if (!disks_xml_target(xml, disk->xml.target, &now))
		return NULL;
	fresh = replace(xml, &now, "network", source);
	disks_xml_free(&now);
	return fresh;
}

/**
 * disks_xml_bring() - Let a domain have a disk as its definition says
 * @xml: of the running domain
 * @definition: of the domain
 * @target: name of the disk in the VM
 *
 * Return: the new XML, to be freed; NULL if this is no XML of libvirt's.
 */
char *disks_xml_bring(const char *xml, const char *definition, const char *target)
{
	struct disk_xml now = { 0 }, defined = { 0 };
	const char *element = NULL, *end = NULL;
	char *fresh = NULL;

	if (disks_xml_target(definition, target, &defined)) {
		element = source_of(&defined);
		end = element ? end_of(element, "</source>") : NULL;
	}
	if (end && disks_xml_target(xml, target, &now)) {
		autofree char *source = text_of("%.*s", (int)(end - element), element);

		fresh = replace(xml, &now, defined.type, source);
	}
	disks_xml_free(&now);
	disks_xml_free(&defined);
	return fresh;
}
