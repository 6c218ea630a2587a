/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network of VMs in a refresh.
 */
#ifndef NESTCTL_NETWORK_H
#define NESTCTL_NETWORK_H

#include <stdbool.h>

#include "nestctl.h"

struct json_object *network_cards(const char *bridge);
bool network_is_bridge(const char *name);
void network_forgotten(const char *bridge);

#endif /* NESTCTL_NETWORK_H */
