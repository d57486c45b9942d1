"""Frequent words, letters and ends of words of eleven languages, by which `languages.py` tells them apart."""

WORDS = {
    "english": (
        "do both images shows any same more than yes no without before after again here there also please "
        "the of and to in is you that it for was on are with as this at be have from or had by not but what all "
        "were we when your can there an which their if will each about how up out them then she many some these "
        "would other into has her two like him time could no make than been its who now my made over did down "
        "only way find use may water long little very after words called just where most know does image picture "
        "describe please answer give name show question list write shapes count few objects between should "
        "because do see much they he his any colour color following text one word sentence translate summarise "
        "summarize tell me explain why point circle"
    ),
    "german": (
        "der die das und ist nicht ein eine einen einem einer des dem den ich du er sie es wir ihr mit auf für "
        "von zu im in am an auch als wie was wer wo wann warum welche welcher welches sind war hat haben wird "
        "werden kann können aber oder wenn nach bei aus noch nur so dass daß mir mich sich sein seine durch über "
        "unter zwischen bitte viele gibt bild beschreibe nenne zeige frage antwort worte wort satz text farbe "
        "kreis dieses diesem diese dieser zum zur vom beim kein keine mehr sehr schon hier dort man uns euch alle "
        "alles etwas nichts siehst zähle formen fasse übersetze erkläre schreibe wieviele links rechts oben unten "
        "dein mein ihre damit dann muss soll heute"
    ),
    "french": (
        "le la les un une des du de et est pas que qui dans pour sur avec ce cette ces il elle nous vous je tu ne "
        "en au aux par plus mais ou où quand comment pourquoi quel quelle quels quelles combien sont été être "
        "avoir fait faire tout tous toute très bien peut peux son sa ses leur mon ma mes ton image décris "
        "décrivez donne donnez moi texte mot phrase couleur cercle liste nomme y voici cela entre sous comme si "
        "deux aussi même sans chez encore c'est l'image cet votre notre avez avons suis était résume traduis "
        "explique écris réponds quoi aujourd hui"
    ),
    "spanish": (
        "el la los las un una unos unas de del y es no que qué en por para con se su sus lo le les al como cómo "
        "más pero o cuando cuándo dónde donde quién cuál cuáles cuántos cuántas son está están ser estar hay fue "
        "muy también este esta estos estas ese esa eso todo todos sin sobre entre hasta desde mi tu te me nos yo "
        "ella ellos imagen describe texto palabra frase color círculo nombra lista muestra puede puedes tiene "
        "tienen hacer porque ya uno dos así bien resume traduce explica escribe responde cada otro otra si ahora "
        "aquí hoy siempre mucho"
    ),
    "italian": (
        "il lo la i gli le un uno una di del della dei delle degli dello e è non che chi cosa in nel nella con "
        "per su sul sulla da dal dalla al alla ai come più ma o quando dove perché quale quali quanti quante sono "
        "sei era essere avere ha hanno ho questo questa questi queste quello quella si ci mi ti anche molto tutto "
        "tutti suo sua immagine descrivi testo parola frase colore cerchio elenca mostra puoi può fare fatto se "
        "tra fra due ogni altro cui senza già ancora sempre dimmi riassumi traduci spiega scrivi rispondi ecco "
        "oggi bene vedi nell dell all"
    ),
    "portuguese": (
        "o a os as um uma uns umas de do da dos das e é não que em no na nos nas por para com se seu sua seus "
        "suas ao aos à às como mais mas ou quando onde quem qual quais quantos quantas são está estão ser estar "
        "há foi muito também este esta isto esse essa isso tudo todos sem sobre entre até desde meu minha você "
        "vocês eu ele ela eles imagem descreva texto palavra frase cor círculo liste mostre pode tem têm fazer "
        "porque já dois assim bem pelo pela pelos pelas num numa resuma traduza explique escreva responda cada "
        "outro outra agora aqui hoje depois"
    ),
    "dutch": (
        "de het een en van in is dat niet op te zijn voor met die er aan om ook als maar bij nog dan wat wie waar "
        "wanneer waarom welke hoe hoeveel was heeft hebben wordt worden kan kunnen ik jij je hij zij ze we wij "
        "jullie mijn deze dit naar uit over door tot tussen onder geen meer zeer alle alles iets niets afbeelding "
        "beschrijf tekst woord zin kleur cirkel noem toon geef vraag antwoord mij hem haar hun ons onze zou moet "
        "mag veel heel hier daar zo want toen omdat staat zien ziet of samen vertaal vat leg schrijf u uw vandaag "
        "goed twee werd gaat doen"
    ),
    "polish": (
        "i w na nie się jest to z do że o jak co po za od dla przez ale czy tak są był była było być ma mam mają "
        "może można ten ta te tego tej tym tych który która które kto gdzie kiedy dlaczego ile jaki jaka jakie "
        "już tylko też bardzo oraz lub przy pod nad między przed bez obraz obrazie obrazek opisz tekst słowo "
        "zdanie kolor koło wymień pokaż podaj odpowiedz pytanie proszę mi mnie ci jego jej ich my ja ty on ona "
        "oni wszystko wszystkie jeden dwa więc jeśli gdy ze we tu tam teraz zawsze nigdy przetłumacz streść "
        "wyjaśnij napisz dziś dobrze ktoś coś u"
    ),
    "turkish": (
        "bir ve bu da de ne için ile çok daha en gibi kadar olan olarak var yok mi mı mu mü değil ben sen o biz "
        "siz onlar ama veya ya ki şu her hangi hangisi kaç nasıl neden niçin nerede kim zaman sonra önce üzerinde "
        "altında arasında içinde resim resmi görsel görselde resimde açıkla tanımla metin kelime cümle renk rengi "
        "daire listele göster söyle cevap soru lütfen bana benim senin onun bizim olduğunu oldu olur edilir eder "
        "etti vardır nedir midir şekil iki bütün hiç şimdi bugün iyi büyük küçük çevir özetle yaz ise ancak çünkü "
        "göre bile"
    ),
    "russian": (
        "и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой от со о так же вы "
        "как для ты все если его до есть ли или когда где кто какой какая какие сколько почему был была было были "
        "мой мне меня нет да уже только еще ещё очень при под над между без изображение изображении картинка "
        "картинке опиши опишите текст слово предложение цвет круг назови покажи дай ответ вопрос пожалуйста этом "
        "этой эта эти тоже чтобы потом здесь там сейчас можно может один два её их нас вас переведи напиши "
        "объясни сегодня хорошо находится"
    ),
    "ukrainian": (
        "і в не на я бути він з що а по це вона цей до але вони ми весь який із у то за свій від зі о так же ви "
        "як для ти все якщо його є чи або коли де хто яка яке які скільки чому був була було були мій мені мене "
        "немає вже тільки ще дуже при під над між без зображення зображенні картинка опиши опишіть текст слово "
        "речення колір коло назви покажи дай відповідь питання будь ласка цьому цій ця ці також щоб потім тут там "
        "зараз можна може один два її їх нас вас та й про після переклади напиши поясни сьогодні добре "
        "знаходиться"
    ),
}
"""Frequent words of each language, and words that prompts about texts and images are made of."""

LETTERS = {
    "german": "äöüß",
    "french": "éèêëàâçîïôûùœ",
    "spanish": "ñ¿¡áéíóú",
    "italian": "àèéìòù",
    "portuguese": "ãõçáâêéíóôúà",
    "dutch": "ëï",
    "polish": "ąćęłńóśźż",
    "turkish": "çğışöüâ",
    "russian": "ыэъё",
    "ukrainian": "іїєґ",
}
"""Letters beside a to z, and those of one Cyrillic alphabet only."""

ENDINGS = {
    "english": "ing tion ness ould ght",
    "german": "ung lich keit heit chen schen isch",
    "french": "eau eux aient ement oir",
    "spanish": "ción dad ando iendo mente",
    "italian": "zione mente ità ando endo",
    "portuguese": "ção ções mente ando dade agem",
    "dutch": "lijk heid aar ijn ijk",
    "polish": "ość nie ych ego owy anie",
    "turkish": "lar ler dir dır yor mak mek",
    "russian": "ого ться ние ость ый ать",
    "ukrainian": "ого тися ння ість ий ати",
}
"""Ends of words. One counts a quarter of a word."""
