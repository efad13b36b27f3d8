/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-networks.h - the methods of org.jackfield.Manager1 about networks that are defined. */
#ifndef JACKFIELDD_BUS_NETWORKS_H
#define JACKFIELDD_BUS_NETWORKS_H

#include "bus-object.h"

GVariant *bus_create_nat_network(const BusCall *call, GError **error);
GVariant *bus_modify_nat_network(const BusCall *call, GError **error);
GVariant *bus_remove_nat_network(const BusCall *call, GError **error);
GVariant *bus_start_nat_network(const BusCall *call, GError **error);
GVariant *bus_stop_nat_network(const BusCall *call, GError **error);
GVariant *bus_create_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_modify_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_remove_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_start_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_restart_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_stop_dhcp_server(const BusCall *call, GError **error);
GVariant *bus_list_nat_networks(const BusCall *call, GError **error);
GVariant *bus_list_dhcp_servers(const BusCall *call, GError **error);
GVariant *bus_find_dhcp_lease(const BusCall *call, GError **error);
GVariant *bus_set_extra_data(const BusCall *call, GError **error);
GVariant *bus_list_extra_data(const BusCall *call, GError **error);

#endif
