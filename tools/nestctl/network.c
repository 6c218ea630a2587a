// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way out of the VMs' bridge: network cards that are ports of it, by themselves or below a bond
 * or a VLAN.  They are the first kernel's until that ends, and nobody but the second one's network
 * configuration makes them ports of its bridge then.
 */
#include <stdio.h>
#include <string.h>

#include "nestctl.h"
#include "network.h"

#define NET		"/sys/class/net"
#define LOWER		"lower_"
#define MAX_DEPTH	4	/* a VLAN on a bond on a card, and one to spare */

/* The last PCI function on the way to a device, to be freed; NULL: it is none of PCI's. */
static char *function_of(const char *device)
{
	autofree char *path = read_link(NET "/%s", device);
	unsigned int domain, bus, slot, function;
	char *part, *rest = path;
	char *found = NULL;
	int end;

	while (rest && (part = strsep(&rest, "/"))) {
		if (sscanf(part, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
		    part[end])
			continue;
		free(found);
		found = text_of("%s", part);
	}
	return found;
}

static void put_card(struct json_object *cards, const char *port, const char *card, char *function)
{
	autofree char *driver = pci_driver(function);
	struct json_object *object = append_object(cards);

	put_string(object, "port", port);
	put_string(object, "card", card);
	put_string(object, "function", function);
	put_string(object, "driver", driver);
}

static void add_cards(struct json_object *cards, const char *port, const char *device, int depth)
{
	autofree char *function = function_of(device);
	struct dirent **entries;
	int i, nr;

	if (function) {
		put_card(cards, port, device, function);
		return;
	}
	if (!depth)
		return;
	nr = list(&entries, NET "/%s", device);
	for (i = 0; i < nr; i++)
		if (!strncmp(entries[i]->d_name, LOWER, strlen(LOWER)))
			add_cards(cards, port, entries[i]->d_name + strlen(LOWER), depth - 1);
	free_list(entries, nr);
}

/**
 * network_cards() - Those by which VMs on a bridge reach the world
 * @bridge: its name
 *
 * Return: an array of objects with port, card, function and driver.
 */
struct json_object *network_cards(const char *bridge)
{
	struct json_object *cards = json_object_new_array();
	struct dirent **ports;
	int i, nr = list(&ports, NET "/%s/brif", bridge);

	for (i = 0; i < nr; i++)
		add_cards(cards, ports[i]->d_name, ports[i]->d_name, MAX_DEPTH);
	free_list(ports, nr);
	return cards;
}

bool network_is_bridge(const char *name)
{
	return exists(NET "/%s/bridge", name);
}

/* A port that a program has made, as QEMU does for a VM; to be freed, NULL: there is none. */
static char *vm_port(const char *bridge)
{
	struct dirent **ports;
	int i, nr = list(&ports, NET "/%s/brif", bridge);
	char *found = NULL;

	for (i = 0; i < nr && !found; i++)
		if (exists(NET "/%s/tun_flags", ports[i]->d_name))
			found = text_of("%s", ports[i]->d_name);
	free_list(ports, nr);
	return found;
}

/**
 * network_forgotten() - Name bridges with VMs on them that do not reach the other kernel
 * @bridge: the one that does, NULL: none
 */
void network_forgotten(const char *bridge)
{
	struct dirent **devices;
	int i, nr = list(&devices, NET);

	for (i = 0; i < nr; i++) {
		const char *name = devices[i]->d_name;
		autofree char *port = network_is_bridge(name) ? vm_port(name) : NULL;

		if (port && (!bridge || strcmp(name, bridge)))
			complain("a VM that moves is cut off from bridge %s, of which %s is a port: %s",
				 name, port, bridge ? "vmlink0.1 is a port of one bridge only" :
				 "--bridge names the bridge that reaches to the other kernel");
	}
	free_list(devices, nr);
}
