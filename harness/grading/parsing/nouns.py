"""What a number behind which it stands may count: a closed list of everyday nouns.

A noun that is not here is kept with its number, for it may as well be a number word, a function or
an operation ("5 twelfths", "5 logs", "5 squares").
"""

from __future__ import annotations

from harness.grading.parsing.tree import words

_REGULAR = words(
    # people and animals
    "boy girl man woman kid child adult student pupil teacher friend brother sister son daughter "
    "cousin neighbor neighbour guest player teammate member employee worker customer client "
    "passenger driver visitor voter person patient doctor nurse soldier engineer programmer coach "
    "runner rider skater dancer singer senior junior classmate roommate sibling parent resident "
    "elf dwarf knight queen king animal dog cat cow pig hen chicken duck horse goat bird fish "
    "bee ant bug insect spider butterfly frog rabbit hamster puppy kitten bear lion tiger zebra "
    "camel monkey elephant penguin snail worm wolf crab whale shark turtle snake lizard mouse rat "
    "squirrel pigeon flamingo dragon unicorn dinosaur rooster turkey lamb calf pet "
    # food
    "apple orange banana pear peach plum grape cherry strawberry berry lemon lime melon "
    "watermelon pineapple tomato potato carrot onion bean pea pumpkin egg cookie cupcake cake pie "
    "brownie muffin donut doughnut bagel croissant loaf sandwich burger pizza taco burrito sausage "
    "meatball dumpling pancake waffle chip cracker pretzel candy lollipop chocolate gumball "
    "marshmallow jellybean snack popsicle sweet treat nut almond walnut seed kernel meal breakfast "
    "lunch dinner drink soda juice coffee smoothie milkshake slice serving scoop topping "
    # things
    "book page notebook magazine newspaper novel album photo picture painting poster letter card "
    "stamp sticker ticket coupon pen pencil crayon marker eraser ruler toy ball balloon marble "
    "block bead button coin penny nickel dime bill game puzzle domino kite bike bicycle car "
    "truck bus train plane boat ship wagon canoe motorcycle vehicle wheel tire flower rose tulip "
    "daisy sunflower petal leaf tree bush plant vine branch rock stone pebble seashell shell brick "
    "tile board plank stick pole post pipe wire rope string ribbon bolt nail screw tool hammer "
    "glass cup mug plate bowl dish spoon fork knife bottle jar can box bag basket bucket barrel "
    "carton crate case container tank pot pan tray tub sack suitcase backpack envelope package "
    "packet parcel shirt sock shoe sneaker boot hat cap coat jacket dress skirt scarf glove mask "
    "blanket towel pillow napkin quilt chair desk bench bed sofa lamp light lamppost streetlight "
    "candle bulb battery phone computer laptop camera robot machine gadget window door mirror "
    "bell drum guitar trophy medal prize gift present jewel gem diamond ruby emerald necklace "
    "bracelet ring badge widget item object gadget product component device "
    # places, groups and events
    "house home room bedroom apartment building tower school classroom class store shop farm field "
    "garden park city town village country state island road street bridge lake seat floor step "
    "stair team club group committee subcommittee family race lap trip ride flight visit "
    "game match round goal vote lesson exam test quiz question problem task job chore movie "
    "song story episode show party concert performance letter message email call word sentence "
    "line paragraph chapter name "
    # time, money and measures
    "second minute hour day night week weekday weekend month year dollar cent euro peso rupee yen "
    "inch foot yard mile meter metre kilometer kilometre centimeter centimetre millimeter "
    "millimetre gram kilogram pound ounce ton liter litre milliliter gallon quart pint cup "
    "tablespoon teaspoon acre hectare calorie watt kilowatt unit byte kilobyte megabyte gigabyte "
    "beat "
    # mathematics that is counted
    "way arrangement permutation combination outcome possibility choice option method pattern "
    "configuration coloring colouring path route move turn flip rotation handshake integer number "
    "value solution tuple triangle rectangle polygon circle cell row column region side "
    "edge vertex corner face angle diagonal intersection interval subset element term letter "
    "divisor factor color colour card sequence partition representation region student "
    "piece part segment section layer strip molecule atom electron proton neutron ion photon star "
    "planet shelf drawer rose leg head hand finger eye ear wing stripe spot hole"
)
_IRREGULAR = words(
    "people persons men women children feet teeth geese mice fish sheep deer dice oxen cattle "
    "policemen firemen salesmen matrices vertices indices elves wolves calves leaves loaves knives "
    "shelves dwarves"
)


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh", "z")) or noun in (
        "potato",
        "tomato",
        "mango",
        "domino",
    ):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


#: Plurals of nouns that only ever say what a number counts.
COUNTABLE = frozenset(_IRREGULAR) | {_plural(noun) for noun in _REGULAR}
