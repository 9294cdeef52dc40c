"""Input of the two applications of java/Topologies.java, and what must come out, worked out without Kafka Streams."""

import collections
import random
import time

WINDOW_MS, JOIN_MS = 10_000, 10_000
INPUTS = {"lines": 3, "orders": 3, "payments": 3, "customers": 3, "limits": 3, "products": 1}
OUTPUTS = ["counts-out", "profiles-out", "windows-out", "bad-out", "big-out", "paid-out"]
WORDS = "all is one and one is all but some of it is more than the rest of it".split()


class World:
    """`tables`: records that are there before the applications start; `steps`: the others, in order. A record: (topic, key, value, timestamp)."""

    def __init__(self, seed: int, size: int):
        # Some hours ago: retention leaves it, and nothing is ahead of the broker's clock.
        self.base_ms = int(time.time() - 6 * 3600) // 10 * 10_000
        dice = random.Random(seed)
        customers = [f"c{i}" for i in range(20)]
        self.name = {c: f"name-{c}" for c in customers[:-2]}  # two are not in the table
        self.product = {f"p{i}": f"thing-{i}" for i in range(9)}  # p9 is not
        self.tables = [("customers", c, n, self.base_ms - 2000) for c, n in self.name.items()]
        self.tables += [("products", p, n, self.base_ms - 2000) for p, n in self.product.items()]
        self.steps, self.limit, self.lines, self.orders, self.payments = [], {}, [], [], []
        for i in range(size):
            now = self.base_ms + i * 250
            line = " ".join(dice.choice(WORDS) for _ in range(4))
            self.lines.append(line)
            self.steps.append(("lines", f"l{i}", line, now))
            customer, amount = dice.choice(customers), dice.choice([-1, 5, 50, 100, 200, 300, 500, 900])
            order = f"o{i}|p{dice.randrange(10)}|{amount}"
            self.orders.append((customer, order, now))
            self.steps.append(("orders", customer, order, now))
            for n in range(dice.choice([0, 1, 1, 1, 2])):
                at = now + dice.choice([-JOIN_MS - 1, -JOIN_MS, 0, 700, JOIN_MS, JOIN_MS + 1])
                self.payments.append((f"o{i}", f"pay{n}", at))
                self.steps.append(("payments", f"o{i}", f"pay{n}", at))
            if i % 10 == 0:
                c = dice.choice(customers)
                self.limit[c] = str(i)
                self.steps.append(("limits", c, str(i), now))
        self.end_ms = self.base_ms + size * 250 + 3_600_000

    def expected(self) -> dict:
        """topic -> records that must be there exactly once each, as a multiset; `profiles-out`: only the last of each key."""
        out = {t: collections.Counter() for t in OUTPUTS}
        counts = self.counts()
        out["counts-out"].update((w, str(n)) for w, all_ in counts.items() for n in range(1, all_ + 1))
        windows = collections.Counter((c, at // WINDOW_MS * WINDOW_MS) for c, _, at in self.orders)
        out["windows-out"].update((f"{c}@{start}", str(n)) for (c, start), n in windows.items())
        paid = collections.defaultdict(list)
        for order, payment, at in self.payments:
            paid[order].append((payment, at))
        for customer, order, at in self.orders:
            name, product, amount = order.split("|")
            if int(amount) < 0:
                out["bad-out"][customer, order] += 1
            elif int(amount) >= 500:
                if product in self.product:
                    out["big-out"][customer, f"{order}|{self.product[product]}"] += 1
            elif customer in self.name:
                for payment, paid_at in paid[name]:
                    if abs(paid_at - at) <= JOIN_MS:
                        out["paid-out"][customer, f"{order}|{customer}|{payment}|{self.name[customer]}"] += 1
        out["profiles-out"].update((c, f"{self.name[c]}<{n}") for c, n in self.limit.items() if c in self.name)
        return out

    def counts(self) -> collections.Counter:
        return collections.Counter(w for line in self.lines for w in line.split())
