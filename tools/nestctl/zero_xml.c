// SPDX-License-Identifier: GPL-2.0-only
/*
 * The XML of a domain whose memory is in the pool: what is added to it, found in it, and taken out
 * again.  All else stays as libvirt has written it.
 */
#include <stdio.h>
#include <string.h>

#include "nestctl.h"
#include "zero.h"

#define ELEMENT		"<nestctl:zerocopy "
#define NAMESPACE	"xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define BEGIN		"<qemu:commandline>"
#define END		"</qemu:commandline>"

/* What is against it: text that must not be in the XML, and what to do. */
static const struct {
	const char *text, *cure;
} obstacles[] = {
	{ "<memoryBacking>", "it has <memoryBacking>: remove that" },
	{ "<numa>", "it has NUMA nodes of its own: remove <numa>" },
	{ "<maxMemory", "it has room for more memory: remove <maxMemory>" },
	{ "<hostdev", "it has a device of the host, and cannot move at all" },
	{ "<memballoon model='virtio'", "it has a balloon: set <memballoon model='none'/>" },
	{ "mem-path=", "it has a memory device on its <qemu:commandline> already" },
};

/* The number that an attribute of the element at @element has; 0: none. */
static uint64_t attribute(const char *element, const char *name)
{
	const char *end = strchr(element, '>'), *at = element;
	size_t length = strlen(name);

	while ((at = strstr(at, name)) && end && at < end) {
		if (at[-1] == ' ' && at[length] == '=')
			return strtoull(at + length + 2, NULL, 0);
		at += length;
	}
	return 0;
}

/**
 * zero_xml_find() - Where is this domain's memory in the pool?
 * @xml: of the domain
 * @zero: filled in
 *
 * Return: false if it is not in the pool.
 */
bool zero_xml_find(const char *xml, struct zero_copy *zero)
{
	const char *element = strstr(xml, ELEMENT);

	if (!element)
		return false;
	zero->start = attribute(element, "start");
	zero->size = attribute(element, "size");
	return true;
}

/**
 * zero_xml_text() - The text of the first element with a name
 * @xml: of the domain
 * @element: the name
 * @text: filled in
 * @room: bytes of @text
 *
 * Return: false if there is none, or no room.
 */
bool zero_xml_text(const char *xml, const char *element, char *text, size_t room)
{
	autofree char *open = text_of("<%s>", element);
	const char *at = strstr(xml, open);
	size_t length;

	if (!at)
		return false;
	at += strlen(open);
	length = strcspn(at, "<");
	if (length >= room)
		return false;
	memcpy(text, at, length);
	text[length] = 0;
	return true;
}

/**
 * zero_xml_memory() - How much memory has it?
 * @xml: as libvirt writes it, in KiB
 *
 * Return: bytes, 0: it does not say.
 */
uint64_t zero_xml_memory(const char *xml)
{
	static const char open[] = "<memory unit='KiB'>";
	const char *at = strstr(xml, open);

	return at ? strtoull(at + sizeof(open) - 1, NULL, 10) << 10 : 0;
}

/**
 * zero_xml_obstacle() - What is against having its memory in the pool?
 * @xml: of the domain
 *
 * Return: NULL, or what, with what to do.
 */
const char *zero_xml_obstacle(const char *xml)
{
	size_t i;

	if (strstr(xml, ELEMENT))
		return "it is in the pool already";
	for (i = 0; i < ARRAY_SIZE(obstacles); i++)
		if (strstr(xml, obstacles[i].text))
			return obstacles[i].cure;
	if (!zero_xml_memory(xml) || zero_xml_memory(xml) % ZERO_ALIGN)
		return "its memory is not in whole pieces of 2 MiB: round <memory>";
	return NULL;
}

/* The QEMU options: those that undo finds again.  The last one has a socket for the hook. */
static const char *const options[] = { "-object", "-machine", "-qmp" };

static char *value_of(size_t option, const char *uuid, uint64_t size)
{
	switch (option) {
	case 0:
		return text_of("memory-backend-file,id=pool.ram,mem-path=/run/nestctl/pool/%s,size=%llu,share=on,align=2M",
			       uuid, (unsigned long long)size);
	case 1:
		return text_of("memory-backend=pool.ram");
	default:
		return text_of("unix:/run/nestctl/qmp/%s,server=on,wait=off", uuid);
	}
}

static char *arguments(const char *uuid, uint64_t size)
{
	char *all = text_of("%s", ""), *before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		autofree char *value = value_of(i, uuid, size);

		before = all;
		all = text_of("%s    <qemu:arg value='%s'/>\n    <qemu:arg value='%s'/>\n", before,
			      options[i], value);
		free(before);
	}
	return all;
}

/* @text with @insert at @at, of @text; @skip bytes of it are left out there. */
static char *replaced(const char *text, const char *at, size_t skip, const char *insert)
{
	return text_of("%.*s%s%s", (int)(at - text), text, insert, at + skip);
}

static char *add_namespace(const char *xml)
{
	const char *domain = strstr(xml, "<domain ");
	const char *has = domain ? strstr(domain, "xmlns:qemu=") : NULL;

	if (!domain)
		return NULL;
	if (has && has < strchr(domain, '>'))
		return text_of("%s", xml);
	return replaced(xml, domain + strlen("<domain"), 0, " " NAMESPACE);
}

static char *add_metadata(const char *xml, const struct zero_copy *zero)
{
	autofree char *element =
		text_of("<nestctl:zerocopy xmlns:nestctl='urn:nestctl-zerocopy' start='%#llx' size='%#llx'/>",
			(unsigned long long)zero->start, (unsigned long long)zero->size);
	autofree char *whole = text_of("\n  <metadata>%s</metadata>", element);
	const char *at = strstr(xml, "<metadata>");

	if (at)
		return replaced(xml, at + strlen("<metadata>"), 0, element);
	at = strstr(xml, "</uuid>");
	return at ? replaced(xml, at + strlen("</uuid>"), 0, whole) : NULL;
}

static char *add_arguments(const char *xml, const char *uuid, uint64_t size)
{
	autofree char *words = arguments(uuid, size);
	autofree char *whole = text_of("  " BEGIN "\n%s  " END "\n", words);
	const char *at = strstr(xml, END);

	if (at)
		return replaced(xml, at, 0, words);
	at = strstr(xml, "</domain>");
	return at ? replaced(xml, at, 0, whole) : NULL;
}

/**
 * zero_xml_convert() - Let the domain's memory be in the pool
 * @xml: of the domain, without an obstacle
 * @zero: where
 *
 * Return: the new XML, to be freed; NULL if this is no XML of libvirt's.
 */
char *zero_xml_convert(const char *xml, const struct zero_copy *zero)
{
	autofree char *named = add_namespace(xml);
	autofree char *told = named ? add_metadata(named, zero) : NULL;
	char uuid[40];

	if (!told || !zero_xml_text(xml, "uuid", uuid, sizeof(uuid)))
		return NULL;
	return add_arguments(told, uuid, zero->size);
}

/* Leave out the element around @at, with the blanks before it. */
static void cut(char *xml, char *at, const char *end)
{
	char *tail = strstr(at, end);

	if (!tail)
		return;
	tail += strlen(end);
	while (at > xml && (at[-1] == ' ' || at[-1] == '\n'))
		at--;
	memmove(at, tail, strlen(tail) + 1);
}

static void cut_argument(char *xml, const char *value)
{
	autofree char *whole = text_of("<qemu:arg value='%s'/>", value);
	char *at = strstr(xml, whole);

	if (at)
		cut(xml, at, "/>");
}

/* The last one before its value; there may be others with that name. */
static void cut_option(char *xml, const char *option, const char *value)
{
	autofree char *first = text_of("<qemu:arg value='%s'/>", option);
	char *before = NULL, *at, *limit = strstr(xml, value);

	for (at = xml; limit && (at = strstr(at, first)) && at < limit; at++)
		before = at;
	if (!before)
		return;
	cut(xml, before, "/>");
	cut_argument(xml, value);
}

static void cut_arguments(char *xml, const char *uuid, uint64_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		autofree char *value = value_of(i, uuid, size);

		cut_option(xml, options[i], value);
	}
}

static void cut_empty(char *xml, const char *open, const char *close)
{
	char *at = strstr(xml, open);
	size_t blanks;

	if (!at)
		return;
	blanks = strspn(at + strlen(open), "\n ");
	if (!strncmp(at + strlen(open) + blanks, close, strlen(close)))
		cut(xml, at, close);
}

/**
 * zero_xml_undo() - The opposite of zero_xml_convert()
 * @xml: of the domain
 *
 * Return: the new XML, to be freed; NULL if its memory is not in the pool.
 */
char *zero_xml_undo(const char *xml)
{
	char *copy = text_of("%s", xml), *at = strstr(copy, ELEMENT);
	struct zero_copy zero;
	char uuid[40];

	if (!at || !zero_xml_find(copy, &zero) ||
	    !zero_xml_text(copy, "uuid", uuid, sizeof(uuid))) {
		free(copy);
		return NULL;
	}
	cut(copy, at, "/>");
	cut_arguments(copy, uuid, zero.size);
	cut_empty(copy, "<metadata>", "</metadata>");
	cut_empty(copy, BEGIN, END);
	return copy;
}
