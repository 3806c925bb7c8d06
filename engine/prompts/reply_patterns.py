"""The patterns that replies are read with, and the words of several languages in them.

All are linear in the length of the text: where a match may start at many places, the quantifiers
are bounded. They expect single spaces and, from ``SLOT`` on, canonical placeholders.
"""

from __future__ import annotations

import re

from engine.common.patterns import alternatives
from engine.prompts.template import PLACEHOLDER

# --- Placeholders and other blanks --------------------------------------------------------------

SLOT = re.compile(
    rf"(?!{PLACEHOLDER})[<{{\[【](?:\s?(?:/?[^\W\d_]|\.\.|…|[>}}\]】]))[^<>{{}}\[\]【】]{{0,40}}"
    r"[>}\]】]?|_{3,40}"
)

# --- Control sequences, tokens and markup -------------------------------------------------------

ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,40}[ -/]{0,8}[@-~]"
    r"|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]"
)
BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]|\\n")
TURN_END = re.compile(
    r"<\|(?:eot_id|im_end|end_of_text|endoftext|end|eom_id)\|>|</s>|<eos>|<end_of_turn>"
    r"|<｜end▁of▁sentence｜>|(?<=[.!?\"”。>])assistant(?=\n|$)"
)
TURN_START = re.compile(
    r"<\|start_header_id\|>\w{0,20}<\|end_header_id\|>|<\|im_start\|>\w{0,20}"
    r"|<start_of_turn>\w{0,20}"
)
SPECIAL = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?(?:s|bos|eos|pad|unk)>|\[/?INST\]|<</?SYS>>|[<\[]/?end[>\]]",
    re.IGNORECASE,
)
ROLE = re.compile(  # "assistant" as the header that a chat template left, never "assistants"
    r"\s*(?:(?i:assistant|model)\s{0,9}\n|(?i:assistant) ?:|assistant ?(?=[^\W a-z]|[\"“‘«「<]))\s*"
)
BLOCK_TAG = re.compile(r"</?(?:p|br|div|li|ul|ol|blockquote|pre)\s?/?>", re.IGNORECASE)
INLINE_TAG = re.compile(
    r"</?(?:b|i|u|q|em|strong|code|span|\w{0,9}template|prompt|answer|output|response)\s?/?>",
    re.IGNORECASE,
)
BOXED = re.compile(r"\$?\\(?:boxed|text\w{0,4})\{(.{1,400})\}\$?")
FENCE = re.compile(r"(?:```|~~~)[\w+-]{0,20}(?=\n|$)|```|~~~")
EMPHASIS = re.compile(r"(?<!_)__(?!_)|(?<!\w)_(?=[^\s_])|(?<=[^\s_])_(?!\w)")

# --- Before the template ------------------------------------------------------------------------

BULLET = re.compile(
    r"(?:[#>|•·‣▪●◦○*+\-–—→➤✓✔✅]{1,6} ?|\(?\d{1,2}[.):、．）](?!\d) ?|[①-⑳] ?"
    r"|[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?[ :]{0,2}|\(?[A-Za-z][)）] ?"
    r"|[\[{] ?(?=[\"'])|[【\[](?:新?模板|新?提示词?)[】\]] ?)(?=\S)"
)
FIRST_NUMBER = re.compile(r"1[.)] ")
NEXT_NUMBER = re.compile(r"(?<=[.!?\"”]) (?=\d{1,2}[.)] )")
JSON_KEY = re.compile(r"[{ ]{0,3}[\"'](?:\w{1,20})[\"'] ?: ?(?=[\"'])")
_SURE = alternatives(
    r"""sure(?: thing)?|certainly|of course|absolutely|great|okay|ok|yes|alright|got it|no problem
    |here (?:you go|it is|we go)|bien sûr|d'accord|natürlich|gerne|klar|claro|por supuesto|certo
    |certamente|конечно"""
)
_SURE_CJK = alternatives(
    "当然可以|当然|好的|没问题|もちろんです|もちろん|はい|물론입니다|물론이죠|물론|네"
)
SURE = re.compile(
    rf"{_SURE}(?: ?[!.,:]{{1,3}} | ?[—–-] )|{_SURE_CJK}[！!。.,，、：:] ?", re.IGNORECASE
)
_NOUN = alternatives(
    r"""\b(?:templates?|prompts?|placeholders?|vorlagen?|plantillas?|gabarits?)\b
    |шаблон|模板|提示词|模版|テンプレート|プロンプト|템플릿|프롬프트|قالب|תבנית"""
)
ABOUT = re.compile(  # words of a sentence about templates
    rf"{_NOUN}|\b(?:replac|substitut)(?:e|ed|es|ing)\b|\b(?:class|category) names?\b",
    re.IGNORECASE,
)
_PROPOSAL = alternatives(
    rf"""{_NOUN}|\b(?:suggestion|proposal|candidate|proposition|vorschlag|propuesta|sugerencia
    |proposta)\b"""
)
NAMED = re.compile(  # "My new template, based on the best ones:"
    rf".{{0,200}}?{_PROPOSAL}[^.!?:：。]{{0,80}}(?:[:：]| is(?= ?[A-Z\"“‘'«])) ?", re.IGNORECASE
)
NUMBERED = re.compile(
    r"(?:template|prompt|option|candidate|variant) ?#?\d{1,2} ?[-–—.):：] ?", re.IGNORECASE
)
_NEW = alternatives(
    r"""new|next|final|best|better|improved|proposed|suggested|revised|possible|alternative|updated
    |nouveau|nouvelle|neue[rs]?|nuev[ao]|nuov[ao]|новый"""
)
_THING = alternatives(
    r"""answer|output|result|response|reply|suggestion|proposal|caption|sentence|phrase|option
    |candidate|version|modèle|réponse|phrase|antwort|vorschlag|satz|respuesta|sugerencia|frase
    |modelo|modello|risposta|ответ|新?答案|回答|输出|新?句子"""
)
LABEL = re.compile(
    rf"(?:(?:the|my|your|an?|one) )?(?:(?:{_NEW} ){{0,3}}{_THING}|final|revised|improved|updated)"
    r"(?: ?#?\d{1,2})? ?[:：] ?",
    re.IGNORECASE,
)
OPENER = re.compile(  # how the text before a colon begins if it is a preface
    alternatives(
        r"""here|sure|certainly|of course|absolutely|okay|ok|based on|how about|what about|let's try
        |i |voici|voilà|bien sûr|hier|gerne|natürlich|aquí|aqui|ecco|claro|вот|conforme|oto |işte
        |berikut|以下|这是|这里|好的|当然|こちら|次の|はい|다음|여기|إليك|הנה"""
    ),
    re.IGNORECASE,
)
ANNOUNCED = re.compile(  # "My final template:", at the end of what stands before a template
    r"\b(?:new|final|neue\w{0,2}|nouve\w{1,3}|nuev[ao]|nuov[ao])\b[^.!?:]{0,60}[:：]|新[^。：]{0,20}[:：]",
    re.IGNORECASE,
)
PROPOSES = re.compile(
    r"\bi(?:['’](?:d|ll|m)|['’]ve)? (?:\w+ ){0,2}(?:suggest|propos|recommend|offer|come up)"
    r"|^(?:how about|what about|let's try)\b",
    re.IGNORECASE,
)

# --- After the template -------------------------------------------------------------------------

_NUMBER = r"[~≈]?\d{1,3}(?:[.,]\d{1,4})? ?[%％]?"
_EXACT = r"\d{1,3}(?:[.,]\d{1,4} ?[%％]?| ?[%％])"
_ACCURACY = alternatives(
    r"""accuracy|acc\.?|score|genauigkeit|précision|precisión|точность|准确率|准确度|精度|正確率
    |정확도"""
)
ECHOES = tuple(  # the meta-prompt's "template -> accuracy", in the ways it is imitated
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r" ?(?:-{1,3}>|={1,2}>|[→⇒➜➔➡]).*$",
        rf" ?[(\[（][^()\[\]（）]{{0,40}}?{_ACCURACY}[^()\[\]（）]{{0,40}}[)\]）]?\.?$",
        r"[ ,;|–—-]{0,4}(?:(?:with|an|expected|estimated|predicted) ){0,3}"
        rf"{_ACCURACY}(?: ?[:：=]| of| is)? ?{_NUMBER}\.?$",
        rf"[ ,;|–—-]{{1,4}}{_EXACT} {_ACCURACY}\.?$",
        rf" ?[(\[] ?{_EXACT} ?[)\]]\.?$",
        rf"(?<=[.!?\"'”’»。]) ?[:：|–—-]? ?{_EXACT}\.?$",
        rf"(?<=>) ?[:：|–—-]? ?{_EXACT}\.?$",
    )
)
TRAILERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<=[.!?。])(?: (?:[–—#|]|-{1,3}|//) .*| ?[(（][^()（）]*[)）])$",
        rf",? ?\(?where {PLACEHOLDER} (?:is|will|should|can|represents|stands|denotes)\b.*$",
        r" ?[(\[](?:note|where|replace|this|explanation|with the placeholder)\b"
        r"[^()\[\]]*[)\]]?\.?$",
    )
)
_IT = alternatives(
    r"""combines|should|uses|aims|includes|keeps|captures|focuses|emphasi[sz]es|adds|has been
    |is designed|could|may|might|will|would"""
)
_THE = alternatives(
    r"new|above|proposed|following|idea|goal|key|phrase|word(?:ing)?s?|sentence|use|addition"
)
EXPLAINS = re.compile(  # how a sentence without the placeholder begins that is no description
    alternatives(
        rf"""(?:this|these|i|i['’](?:m|ve|d|ll)|we (?:keep|use|combine|want|can)|note|explanation
        |rationale|reason(?:ing)?|here|let me|let's|let us|please|feel free|i hope|hope|you can|why
        |by \w{{2,20}}ing|good luck|it {_IT}|the {_THE}|alternatively|remember|sure|based on
        |ce|cette|j'ai|je|remarque|explication|diese[rs]?|ich|hinweis|erklärung|est[aeo]|quest[ao]
        |he \w{{2,12}}[ai]do|ho \w{{2,12}}[aiu]to|nota|этот|это|эта|я)\b
        |这个|这条|该|此|我|说明|解释|注|希望|如果|请|この|これ|説明|이 |저는|설명|هذا|هذه"""
    ),
    re.IGNORECASE,
)
SCORES = re.compile(r"\b(?:accuracy|classifiers?|data ?set|clip|the model|scores?)\b|准确率", re.I)
REFUSAL = re.compile(
    alternatives(
        r"""i['’]?m (?:sorry|unable|not able|afraid)|i am (?:sorry|unable)|sorry|i apologi[sz]e
        |i (?:can(?:no|['’])t|can not|could not|won['’]t|do(?:n['’]t| not) (?:have|know|see))
        |unfortunately|as an ai|please (?:provide|share|tell|clarify|give)
        |(?:could|can|would) you (?:please |tell|clarify|provide|give|share|explain|send|like me)
        |je suis désolé|désolé|es tut mir leid|leider|lo siento|mi dispiace|извините|к сожалению
        |抱歉|对不起|很抱歉|申し訳|죄송|عذرا|آسف"""
    ),
    re.IGNORECASE,
)

MUSES = re.compile(  # how a sentence begins that thinks aloud about what was asked
    alternatives(
        r"""(?:(?:okay|ok|alright|so|well|now|first)[,.]? ){0,2}(?:
        (?:the |this )?(?:user|person|human|task|question|instruction)s?(?: here)?
        [ ](?:wants?|asks?|asked|needs?|says?|is asking|are asking|requires?|gave|provided)
        |(?:we|i) (?:need|have to|should|must|could|want to|think|might)|let me|let's (?:think|see)
        |they (?:want|ask|need)|my task|hmm+|wait)\b"""
    ),
    re.IGNORECASE,
)

# --- Sentences and quotation marks --------------------------------------------------------------

CLOSERS = "\"'”’“»«›」』》〉)）]"
_AFTER = rf"[{re.escape(CLOSERS)}]{{0,3}}"
SENTENCE = re.compile(rf"[.!?…؟।॥۔]{{1,6}}{_AFTER}(?=\s|$)|[。！？．｡]{{1,6}}{_AFTER}")
ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|vs|approx|incl|cf|dr|st|mr|mrs|no|z\.b|ca)\.$", re.IGNORECASE
)
CLAUSE = re.compile(  # where a text may end if the rest of it is missing
    r" ?[,;:，、；：]| ?[–—]| -(?= )|(?<=[.!?])(?= )|(?<=[。！？])| [(（]"
    r"| (?:and|or|but|while|with|without|in|on|at|of|for|from|by|to|into|near|under|over|against"
    r"|among|between|through|during|showing|featuring|that|which|who|where|when|whose|as|like"
    r"|und|oder|mit|auf|et|ou|avec|dans|y|con|en)(?= |$)",
    re.IGNORECASE,
)
DANGLING = re.compile(  # what no sentence ends with
    r"(?:[,;、，(\-–—&]|\b(?:an?|the|of|with|and|or|from|its|und|mit|et|de|con))$", re.IGNORECASE
)
QUOTES = {  # opening quotation marks and what may close them
    '"': '"”', "“": '”"', "”": "”", "„": '“”"', "«": "»", "»": "«", "‹": "›", "'": "'’", "‘": "’'",
    "‚": "‘’", "「": "」", "『": "』", "《": "》", "〈": "〉", "＂": "＂", "〝": "〞〟",
}  # fmt: skip
DOUBLED = re.compile(r"\"{2,}|'{2,}")
SINGLE_QUOTES = "'‘‚"
ELISION = re.compile(r"['‘](?:\d|(?:tis|twas|til|em|cause|n)\b)", re.IGNORECASE)  # "'90s"
