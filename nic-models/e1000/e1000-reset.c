/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-reset.c - what resets do: SDM chapter 14. */
#include "e1000.h"

#include <string.h>

/* The first receive address comes from the EEPROM, and is valid at once: some drivers read it there
 * and nowhere else. */
static void
load_address(E1000 *e)
{
	guint32 high = e->eeprom[2] | RAH_AV;

	e1000_put(e, E1000_RA, e->eeprom[0] | (guint32)e->eeprom[1] << 16);
	e1000_put(e, E1000_RA + 4, high);
}

static void
reset_registers(E1000 *e)
{
	for (guint i = 0; i < e1000_n_regs; i++)
		for (guint k = 0; k < e1000_regs[i].count; k++)
			e1000_put(e, e1000_regs[i].offset + 4 * k, e1000_regs[i].reset);
	load_address(e);
}

void
e1000_reset(E1000 *e, gboolean power_on)
{
	if (power_on) {
		e1000_eeprom_reset(e);
		e->ioaddr = e->power_state = 0;
	}
	reset_registers(e);
	e->irq_next = e->rx_absolute = e->tx_absolute = 0;
	e->due[E1000_DUE_IRQ] = e->due[E1000_DUE_RX] = e->due[E1000_DUE_TX] = 0;
	e->mdi_bits = e->mdi_shift = e->mdi_out = 0;
	e1000_tx_reset(e);
	if (power_on)
		e1000_phy_reset(e);
	e1000_link_update(e);
	e1000_put(e, E1000_ICR, 0);
	e1000_irq_update(e);
	e1000_rx_room(e);
}
