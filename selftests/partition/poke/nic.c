// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for the lab's network card that only looks whether the card works: its registers, and
 * interrupts that it is told to make.  Parameters of the module say what was found.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/if_ether.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>

#define ICR	0xc0	/* reading clears it */
#define ICS	0xc8
#define IMS	0xd0
#define IMC	0xd8
#define EERD	0x14	/* a word of the EEPROM */
#define EERD_START	0x1
#define EERD_DONE	0x10
#define CAUSE	0x1	/* TXDW */
#define ROUNDS	20

static uint interrupts;
module_param(interrupts, uint, 0444);
MODULE_PARM_DESC(interrupts, "how many came");
static uint others;
module_param(others, uint, 0444);
MODULE_PARM_DESC(others, "how many came that were not the card's");
static char mac[18] = "none";
module_param_string(mac, mac, sizeof(mac), 0444);
MODULE_PARM_DESC(mac, "address of the card");

static void __iomem *bar;
static DECLARE_COMPLETION(came);

/* Ones, if it does not answer. */
static u32 read_eeprom(u32 word)
{
	u32 value;

	writel(word << 8 | EERD_START, bar + EERD);
	return readl_poll_timeout(bar + EERD, value, value & EERD_DONE, 10, 1000) ? ~0u :
									  value >> 16;
}

static irqreturn_t serve(int irq, void *dev)
{
	if (!(readl(bar + ICR) & CAUSE)) {
		others++;
		return IRQ_NONE;
	}
	interrupts++;
	complete(&came);
	return IRQ_HANDLED;
}

/* One after the other, each waited for. */
static int try_interrupts(void)
{
	int i;

	writel(CAUSE, bar + IMS);
	for (i = 0; i < ROUNDS; i++) {
		reinit_completion(&came);
		writel(CAUSE, bar + ICS);
		if (!wait_for_completion_timeout(&came, HZ))
			return -ETIMEDOUT;
	}
	writel(~0u, bar + IMC);
	return 0;
}

static int nic_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	u8 address[ETH_ALEN];
	int i, r;

	r = pcim_enable_device(dev);
	if (r)
		return r;
	bar = pcim_iomap(dev, 0, 0);
	if (!bar)
		return -ENOMEM;
	for (i = 0; i < ETH_ALEN; i++)
		address[i] = read_eeprom(i / 2) >> 8 * (i & 1);
	snprintf(mac, sizeof(mac), "%pM", address);
	writel(~0u, bar + IMC);
	pci_set_master(dev);
	r = devm_request_irq(&dev->dev, dev->irq, serve, IRQF_SHARED, "part-nic", dev);
	if (!r)
		r = try_interrupts();
	pr_info("part-nic: %s at %pR: %s, interrupt %u: %u of %u came, %u were not its (%d)\n",
		pci_name(dev), &dev->resource[0], mac, dev->irq, interrupts, ROUNDS, others, r);
	return r;
}

static void nic_remove(struct pci_dev *dev)
{
	writel(~0u, bar + IMC);
}

static const struct pci_device_id nic_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x100e) },
	{ }
};

static struct pci_driver nic_driver = {
	.name = "part-nic", .id_table = nic_ids, .probe = nic_probe, .remove = nic_remove,
};

module_pci_driver(nic_driver);
MODULE_DESCRIPTION("Does the lab's network card work?");
MODULE_LICENSE("GPL");
