/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000.c - Intel 8254x gigabit Ethernet as a PCI card: 82540EM, 82543GC, 82545EM.
 *
 * A MAC with one receive and one transmit ring in guest memory, an M88E1000 PHY and a 93C46 EEPROM.
 *
 * Threads. Register accesses, transmit runs, timers and the cable come on the instance's worker;
 * frames from the network come on any thread, so that another card's transmit run can put them
 * straight into this card's guest memory. One lock covers registers, receive ring, interrupts and
 * statistics. The transmit ring belongs to the worker, which never holds the lock in output.
 *
 * Nothing happens without a doorbell: no ring is looked at unless its tail, or a control bit, was
 * written or the network has room again, and no timer runs unless an interrupt waits for it or the
 * PHY negotiates.
 *
 * Left out: flow control by pause frames, wake-up, flash, TBI and SerDes, errors that a wire makes.
 */
#include "e1000.h"

#include <jackfield/state.h>
#include <string.h>

void
e1000_enter(E1000 *e)
{
	g_mutex_lock(&e->lock);
	e->on_worker = TRUE;
}

void
e1000_leave(E1000 *e)
{
	e->on_worker = FALSE;
	g_mutex_unlock(&e->lock);
}

static void
transmit_posted(JfInstance *inst, gpointer data)
{
	E1000 *e = inst->priv;

	(void)data;
	e->tx_posted = FALSE;
	e1000_transmit(e);
}

void
e1000_transmit_soon(E1000 *e)
{
	if (e->tx_posted)
		return;
	e->tx_posted = TRUE;
	e->host->post(e->inst, transmit_posted, NULL);
}

/* ---- What the chips are ---- */

typedef struct ChipInfo {
	const char *id;
	guint16 device, subsystem_vendor, subsystem;
} ChipInfo;

static const ChipInfo chips[] = {
	[E1000_82540EM] = { "82540EM", 0x100e, 0x8086, 0x001e },
	[E1000_82543GC] = { "82543GC", 0x1004, 0x8086, 0x1004 },
	[E1000_82545EM] = { "82545EM", 0x100f, 0x15ad, 0x0750 },
};

/* Power management 1.1 with DSI, and PCI-X: SDM chapters 4 and 6. */
#define PM_CAP 0xdcu
#define PM_PMCSR (PM_CAP + 4u)
#define PM_STATE 0x03u
static const guint8 pm_data[8] = { 0x01, 0, 0x22, 0, 0, 0, 0, 0 };
static const guint8 pm_writable[8] = { 0, 0, 0, 0, PM_STATE, 0, 0, 0 };
static const guint8 pcix_data[8] = { 0x07, 0, 0x02, 0, 0xf8, 0xff, 0x40, 0 };
static const guint8 pcix_writable[8] = { 0, 0, 0x7f, 0, 0, 0, 0, 0 };

static const JfPciCap caps[] = {
	{ .offset = PM_CAP, .len = sizeof pm_data, .data = pm_data, .writable = pm_writable },
	{ .offset = 0xe4, .len = sizeof pcix_data, .data = pcix_data, .writable = pcix_writable },
};

static void
e1000_set_info(E1000 *e)
{
	const ChipInfo *chip = &chips[e->chip];

	e->info = (JfPciInfo){
		.struct_size = sizeof e->info,
		.vendor = 0x8086,
		.device = chip->device,
		.subsystem_vendor = chip->subsystem_vendor,
		.subsystem = chip->subsystem,
		.revision = 2,
		.base_class = 0x02,
		.status = 0x0220, /* medium DEVSEL#, 66 MHz */
		.min_gnt = 0xff,
		.interrupt_pin = 1,
		.n_caps = G_N_ELEMENTS(caps),
		.caps = caps,
		.bars = {
			[0] = { .size = E1000_MMIO_SIZE },
			[2] = { .size = E1000_IO_SIZE, .flags = JF_BAR_IO },
		},
	};
}

/* ---- Life ---- */

static const JfPropSpec e1000_props[] = {
	{ .name = "link-up-delay",
	  .type = JF_PROP_INT,
	  .def = "1000",
	  .max = 300000,
	  .blurb = "Milliseconds that the PHY takes to bring the link up." },
	{ .name = "ethernet-crc",
	  .type = JF_PROP_BOOL,
	  .flags = JF_PROP_LIVE,
	  .def = "on",
	  .blurb = "Compute the frame check sequence for guests that do not have it stripped; off "
		   "puts zeros there and saves time." },
	{ .name = NULL },
};

static void
read_properties(E1000 *e)
{
	e->link_delay = (guint64)jf_property_int(e->inst, "link-up-delay") * 1000000u;
	e->ethernet_crc = jf_property_bool(e->inst, "ethernet-crc");
}

static E1000Chip
find_chip(const char *id)
{
	guint i = 0;

	while (i + 1 < G_N_ELEMENTS(chips) && g_ascii_strcasecmp(chips[i].id, id) != 0)
		i++;
	return (E1000Chip)i;
}

static gboolean
e1000_init(JfInstance *inst, GError **error)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	E1000 *e = inst->priv;

	e->inst = inst;
	e->host = inst->host;
	g_mutex_init(&e->lock);
	e->pci = e->host->query(inst, JF_PCI_HOST_IID);
	if (!e->pci || !card) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: a model needs a host with guest memory", inst->name);
		return FALSE;
	}
	e->chip = find_chip(inst->driver->id);
	memcpy(e->mac, card->mac, sizeof e->mac);
	e->timer = e->host->timer_add(inst, e1000_timer_fired, NULL);
	e->interrupts = e->host->counter(inst, "interrupts");
	e->dma_errors = e->host->counter(inst, "dma-errors");
	e->no_carrier = e->host->counter(inst, "no-carrier-drops");
	e->missed = e->host->counter(inst, "missed-frames");
	e->rx_off = e->host->counter(inst, "receiver-off-drops");
	e->tx_dropped = e->host->counter(inst, "bad-packets");
	read_properties(e);
	e1000_set_info(e);
	e1000_regs_init(e);
	e1000_eeprom_init(e);
	e1000_enter(e);
	e1000_reset(e, TRUE);
	e1000_leave(e);
	return TRUE;
}

static void
e1000_finish(JfInstance *inst)
{
	E1000 *e = inst->priv;

	g_mutex_clear(&e->lock);
}

static gboolean
e1000_start(JfInstance *inst, GError **error)
{
	E1000 *e = inst->priv;

	(void)error;
	e1000_enter(e);
	e1000_timer_sync(e);
	e1000_leave(e);
	e1000_transmit_soon(e);
	return TRUE;
}

/* What is due stays due until the next start. */
static void
e1000_stop(JfInstance *inst)
{
	E1000 *e = inst->priv;

	e1000_enter(e);
	e->host->timer_arm(e->timer, 0);
	e->armed = 0;
	e1000_leave(e);
}

static void
e1000_resume(JfInstance *inst, guint port)
{
	(void)port;
	e1000_transmit(inst->priv);
}

static void
e1000_link(JfInstance *inst, guint port, gboolean up)
{
	E1000 *e = inst->priv;

	(void)port;
	e1000_enter(e);
	e1000_phy_set_cable(e, up);
	e1000_leave(e);
}

static gboolean
e1000_changed(JfInstance *inst, const char *prop, GError **error)
{
	E1000 *e = inst->priv;

	(void)prop;
	(void)error;
	e1000_enter(e);
	read_properties(e);
	e1000_leave(e);
	return TRUE;
}

/* ---- PCI ---- */

static const JfPciInfo *
e1000_info(JfInstance *inst)
{
	const E1000 *e = inst->priv;

	return &e->info;
}

static void
e1000_pci_reset(JfInstance *inst)
{
	E1000 *e = inst->priv;

	e1000_enter(e);
	e1000_reset(e, TRUE);
	e1000_leave(e);
}

/* Waking up resets the chip (SDM chapter 6). Asleep it does nothing else than awake: the driver of a
 * sleeping guest has stopped its rings. */
static void
e1000_config_write(JfInstance *inst, guint offset, guint size, guint32 value)
{
	E1000 *e = inst->priv;
	guint32 state;

	if (offset > PM_PMCSR || offset + size <= PM_PMCSR)
		return;
	state = value >> (8 * (PM_PMCSR - offset)) & PM_STATE;
	if (e->power_state && state == 0)
		e1000_pci_reset(inst);
	e->power_state = state;
}

static void
e1000_bus_master(JfInstance *inst, gboolean on)
{
	E1000 *e = inst->priv;

	if (!on)
		return;
	e1000_transmit_soon(e);
	e1000_enter(e);
	e1000_rx_room(e);
	e1000_leave(e);
}

static const JfPci e1000_pci = {
	.struct_size = sizeof(JfPci),
	.info = e1000_info,
	.bar_read = e1000_bar_read,
	.bar_write = e1000_bar_write,
	.reset = e1000_pci_reset,
	.config_write = e1000_config_write,
	.bus_master = e1000_bus_master,
};

static gconstpointer
e1000_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	if (strcmp(iid, JF_PCI_IID) == 0)
		return &e1000_pci;
	if (strcmp(iid, JF_STATE_IID) == 0)
		return &e1000_state;
	return NULL;
}

#define E1000_DRIVER                                                                             \
	JF_DRIVER_HEAD, .kind = JF_KIND_MODEL,                                                   \
			.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_CSUM), \
			.priv_size = sizeof(E1000), .props = e1000_props, .init = e1000_init,    \
			.finish = e1000_finish, .start = e1000_start, .stop = e1000_stop,        \
			.input = e1000_input, .resume = e1000_resume, .link = e1000_link,        \
			.changed = e1000_changed, .query = e1000_query

static const JfDriver i82540em = {
	E1000_DRIVER,
	.id = "82540EM",
	.blurb = "Intel PRO/1000 MT Desktop, gigabit Ethernet that nearly every guest has a driver "
		 "for.",
};

static const JfDriver i82543gc = {
	E1000_DRIVER,
	.id = "82543GC",
	.blurb = "Intel PRO/1000 T Server, gigabit Ethernet that Windows XP knows without a new "
		 "driver.",
};

static const JfDriver i82545em = {
	E1000_DRIVER,
	.id = "82545EM",
	.blurb = "Intel PRO/1000 MT Server, gigabit Ethernet as VMware presents it.",
};

static const JfDriver *const drivers[] = { &i82540em, &i82543gc, &i82545em, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "e1000",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "Intel PRO/1000 network cards.",
		.drivers = drivers,
	};

	return &plugin;
}
