/** What the gates read for the picture of what they keep open: names, long words, digits, punctuation, lines. */
export const anchorTexts = [
  `Margarethe Okonkwo-Lindqvist, a bookbinder from Reykjavik, owned 417 manuscripts; the oldest was copied in 1382. "Who," she
asked her apprentice, "would throw away a thing like this?" He shrugged, counted 12 loose pages and said nothing.`,
  `To unclog a percolator: (1) unplug it, (2) let it cool for 30 minutes, (3) rinse the basket with 250 ml of vinegar. Don't use
bleach! Afterwards, run it twice with clear water - otherwise the coffee tastes of salad dressing.`,
  `The lighthouse keeper wrote letters to nobody in particular. On Mondays he described the fog, on Tuesdays the herring gulls, and
on the remaining days the absence of both. In 1911 the relief boat brought a reply.`,
  `def average(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)  # 3.5 for [2, 3, 4, 5]`,
];
