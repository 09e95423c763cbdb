"""The shop behind the sample items: 24 products in four variants each."""
# ruff: noqa: RUF001  (the typography of a real catalogue)

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

WAREHOUSES = ("Rotterdam", "Malmö", "Łódź", "Lyon")
CENTS = (0.95, 0.49, 0.5, 0.25, 0.99)


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the catalogue, before it is multiplied by its variants."""

    slug: str
    name: str
    description: str
    category: str
    brand: str
    price: int  # whole euros of the smallest variant
    grams: int  # weight of the smallest variant
    tags: tuple[str, ...]
    variants: tuple[str, str, str, str]


S = ("S", "M", "L", "XL")
PRODUCTS = (
    Product("tent", "Fjällro tent", "Freestanding three-season tent with two vestibules.", "camping",
            "Fjällro", 249, 2150, ("tent", "three-season"), ("1P", "2P", "3P", "4P")),
    Product("tarp", "Sørvind tarp", "Silnylon tarp with 16 tie-out points.", "camping",
            "Sørvind", 79, 480, ("tarp", "ultralight"), ("2×3 m", "3×3 m", "3×4 m", "4×4 m")),
    Product("bag", "Dämmerung sleeping bag", "Down bag, 700 fill power, water-repellent shell.", "camping",
            "Nordlicht", 189, 890, ("down", "sleeping"), ("+5 °C", "0 °C", "−7 °C", "−15 °C")),
    Product("mat", "Luftig sleeping mat", "Insulated air mat, R-value on the label.", "camping",
            "Nordlicht", 69, 420, ("sleeping", "inflatable"), ("R2", "R3.5", "R5", "R7")),
    Product("stove", "Brännare gas stove", "Folding canister stove with piezo ignition.", "kitchen",
            "Fjällro", 44, 85, ("stove", "gas"), ("solo", "duo", "wind", "base camp")),
    Product("kettle", "Gökçe kettle", "Hard-anodised kettle with a silicone handle.", "kitchen",
            "Gökçe", 24, 160, ("cookware",), ("0.6 l", "0.9 l", "1.4 l", "2 l")),
    Product("moka", "Café do Monte moka pot", "Aluminium moka pot for the stove or the embers.", "kitchen",
            "Gökçe", 19, 310, ("coffee", "cookware"), ("1 cup", "3 cups", "6 cups", "9 cups")),
    Product("knife", "Opinel-style folding knife", "Carbon steel blade, beech handle, locking ring.", "tools",
            "Saint-Étienne", 12, 38, ("knife", "carbon-steel"), ("No. 6", "No. 8", "No. 10", "No. 12")),
    Product("axe", "Småland forest axe", "Hand-forged head on a hickory shaft.", "tools",
            "Småland", 84, 600, ("axe", "forged"), ("35 cm", "50 cm", "65 cm", "80 cm")),
    Product("saw", "Żubr folding saw", "Pull saw with impulse-hardened teeth.", "tools",
            "Żubr", 22, 190, ("saw",), ("180 mm", "210 mm", "240 mm", "270 mm")),
    Product("headlamp", "山灯 headlamp", "Rechargeable headlamp with a red light.", "lighting",
            "山灯", 34, 76, ("light", "usb-c"), ("200 lm", "400 lm", "600 lm", "1000 lm")),
    Product("lantern", "Lyktan lantern", "Dimmable lantern that also charges a phone.", "lighting",
            "Fjällro", 39, 340, ("light", "power-bank"), ("4 Ah", "8 Ah", "12 Ah", "20 Ah")),
    Product("rope", "Écrins dynamic rope", "Dry-treated single rope, 9.5 mm.", "climbing",
            "Écrins", 129, 1770, ("rope", "dry"), ("30 m", "50 m", "60 m", "80 m")),
    Product("carabiner", "Écrins screw-gate carabiner", "Forged HMS carabiner, 24 kN.", "climbing",
            "Écrins", 9, 78, ("hardware",), ("single", "pack of 3", "pack of 5", "pack of 10")),
    Product("harness", "Vršič harness", "Four-loop harness with a belay-ready bridge.", "climbing",
            "Vršič", 59, 410, ("harness",), S),
    Product("jacket", "Regnskyll rain jacket", "Three-layer jacket with pit zips.", "clothing",
            "Sørvind", 159, 380, ("rain", "shell"), S),
    Product("socks", "Jūra merino socks", "Cushioned hiking socks, 70 % merino.", "clothing",
            "Jūra", 16, 74, ("merino",), ("36–38", "39–41", "42–44", "45–47")),
    Product("gloves", "Kuura liner gloves", "Thin liners that work on a touch screen.", "clothing",
            "Kuura", 21, 42, ("touch",), S),
    Product("pack", "Sarek rucksack", "Internal frame, removable lid, rain cover.", "packs",
            "Fjällro", 119, 1350, ("rucksack",), ("28 l", "45 l", "65 l", "80 l")),
    Product("drybag", "Ålen dry bag", "Roll-top bag of recycled polyester.", "packs",
            "Sørvind", 14, 90, ("waterproof", "recycled"), ("5 l", "10 l", "20 l", "40 l")),
    Product("bottle", "Źródło steel bottle", "Double-walled, keeps tea hot for 12 hours.", "hydration",
            "Żubr", 27, 290, ("steel", "insulated"), ("0.35 l", "0.5 l", "0.75 l", "1 l")),
    Product("filter", "Puro water filter", "Hollow-fibre filter, 0.1 µm.", "hydration",
            "Puro", 36, 65, ("filter",), ("squeeze", "bottle", "gravity 2 l", "gravity 6 l")),
    Product("screws", "A4 stainless wood screws", "Countersunk, Torx 20, box of 200.", "hardware",
            "Eisenweiß", 11, 420, ("fixings", "stainless"), ("4×30", "4×40", "4×50", "5×60")),
    Product("drill", "Eisenweiß twist drill", "HSS-Co drill for stainless steel.", "hardware",
            "Eisenweiß", 3, 20, ("hss-co",), ("ø 3 mm", "ø 4 mm", "ø 5.5 mm", "ø 8 mm")),
)  # fmt: skip


def catalogue(rng: random.Random) -> dict[str, dict[str, Any]]:
    """Every variant as an item, by the alias that the sample commands refer to it by."""
    return {
        f"{product.slug}-{size}": _item(product, size, rng)
        for product in PRODUCTS
        for size in range(len(product.variants))
    }


def price(whole: int, rng: random.Random) -> float:
    """A price as on a label."""
    return round(whole + rng.choice(CENTS), 2)


def stock(rng: random.Random) -> dict[str, int]:
    """What lies in each warehouse."""
    return {place: rng.randrange(0, 60) for place in WAREHOUSES if rng.random() < 0.8}  # noqa: PLR2004


def _item(product: Product, size: int, rng: random.Random) -> dict[str, Any]:
    factor = 1 + size * 0.35
    return {
        "name": f"{product.name}, {product.variants[size]}",
        "description": product.description,
        "sku": f"{product.slug[:3].upper()}-{rng.randrange(10_000, 99_999)}",
        "category": product.category,
        "brand": product.brand,
        "price": price(int(product.price * factor), rng),
        "currency": "EUR",
        "tags": [*product.tags, product.variants[size]],
        "stock": stock(rng),
        "shipping": {
            "weight_kg": round(product.grams * factor / 1000, 3),
            "box_cm": [rng.randrange(10, 60), rng.randrange(8, 40), rng.randrange(3, 25)],
            "hazardous": product.slug == "stove",
        },
        "rating": {"average": round(rng.uniform(3.4, 5.0), 1), "count": rng.randrange(0, 400)},
        "discontinued": False,
    }
