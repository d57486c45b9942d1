"""The words by which prompts ask, in English, German, French and Spanish; `asking.py` reads prompts by them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """How one language asks: words that begin a question by its type, verbs that begin a question of yes and no, what
    asks for a type wherever it stands behind an order, verbs that say little by themselves, and fillers."""

    questions: Mapping[str, str]
    yes_no: str
    orders: Mapping[str, str]
    vague: str
    skipped: str
    polite: str


ASKING: dict[str, Words] = {
    "english": Words(
        {
            "what": "what whats",
            "which": "which",
            "who": "who whose whom",
            "where": "where",
            "when": "when",
            "how": "how",
            "why": "why",
        },
        "is are was were am do does did can could will would has have had should shall may might must isn aren doesn "
        "don didn",
        {
            "how_many": "count",
            "locate": "point locate coordinates coordinate position bbox",
            "describe": "describe caption description alt",
            "list": "list enumerate name",
            "summarise": "summarise summarize summary tldr shorten condense",
            "translate": "translate translation",
            "extract": "extract parse json fields",
            "code": "code function script program implement sql regex debug refactor class query",
            "write": "write compose draft essay poem story email rewrite paraphrase",
            "why": "explain",
        },
        "give provide return make create write show tell generate produce get find output compose draw mark detect "
        "identify",
        "please now hey hi hello ok okay so and also then but well briefly shortly first next finally just",
        "can could would will",
    ),
    "german": Words(
        {
            "what": "was",
            "which": "welche welcher welches welchen welchem",
            "who": "wer wen wem wessen",
            "where": "wo wohin woher",
            "when": "wann",
            "how_many": "wieviel wieviele",
            "how": "wie",
            "why": "warum wieso weshalb",
        },
        "ist sind war waren hat haben kann können wird werden gibt darf soll muss siehst sieht steht liegt",
        {
            "how_many": "zähle zähl anzahl",
            "locate": "koordinaten position lokalisiere markiere",
            "describe": "beschreibe beschreib beschreiben beschreibung bildunterschrift",
            "list": "nenne nenn liste aufzählen auflisten",
            "summarise": "zusammenfassen zusammenfassung zusammen kürze",
            "translate": "übersetze übersetz übersetzen übersetzung",
            "extract": "extrahiere extrahieren json",
            "code": "code funktion skript programm implementiere programmiere sql",
            "write": "schreibe schreib schreiben verfasse formuliere gedicht",
            "why": "erkläre erklär erklären",
        },
        "gib zeige zeig mache mach erstelle erstell finde fasse fass sag sage schreibe schreib",
        "bitte nun jetzt hallo hey ok also und dann aber kurz zuerst danach",
        "kannst könntest können könnten würdest würden",
    ),
    "french": Words(
        {
            "what": "que quoi qu",
            "which": "quel quelle quels quelles lequel laquelle",
            "who": "qui",
            "where": "où",
            "when": "quand",
            "how_many": "combien",
            "how": "comment",
            "why": "pourquoi",
        },
        "est sont y a as ai peux peut",
        {
            "how_many": "compte comptez",
            "locate": "coordonnées position localise localisez",
            "describe": "décris décrivez décrire description légende",
            "list": "liste listez énumère nomme nommez",
            "summarise": "résume résumez résumer résumé",
            "translate": "traduis traduisez traduire traduction",
            "extract": "extrais extrayez extraire json",
            "code": "code fonction script programme",
            "write": "écris écrivez écrire rédige rédigez",
            "why": "explique expliquez expliquer",
        },
        "donne donnez fais faites montre montrez trouve écris écrivez",
        "s il te vous plaît bonjour maintenant et alors mais ensuite",
        "peux pouvez pourrais pourriez",
    ),
    "spanish": Words(
        {
            "what": "qué que",
            "which": "cuál cual cuáles",
            "who": "quién quien quiénes",
            "where": "dónde donde",
            "when": "cuándo cuando",
            "how_many": "cuántos cuántas cuánto cuantos cuantas",
            "how": "cómo como",
        },
        "es son está están hay tiene tienen puede fue",
        {
            "how_many": "cuenta contar",
            "locate": "coordenadas posición localiza señala",
            "describe": "describe describa describir descripción",
            "list": "lista enumera nombra",
            "summarise": "resume resuma resumir resumen",
            "translate": "traduce traduzca traducir traducción",
            "extract": "extrae extraiga extraer json",
            "code": "código función script programa",
            "write": "escribe escriba escribir redacta",
            "why": "explica explique explicar",
        },
        "da dame haz muestra muéstrame encuentra crea escribe",
        "por favor hola ahora y entonces pero luego",
        "puedes puede podrías podría",
    ),
}
"""By language; prompts in others are read as English."""
