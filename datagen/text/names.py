"""Names of languages in the languages of the prompts."""

from __future__ import annotations

from datagen.errors import UsageError, did_you_mean

_NAMES = {
    "en": {"en": "English", "zh": "英文", "th": "ภาษาอังกฤษ"}, "zh": {"en": "Chinese", "zh": "中文", "th": "ภาษาจีน"},
    "th": {"en": "Thai", "zh": "泰文", "th": "ภาษาไทย"}, "ja": {"en": "Japanese", "zh": "日文", "th": "ภาษาญี่ปุ่น"},
    "ko": {"en": "Korean", "zh": "韩文", "th": "ภาษาเกาหลี"}, "vi": {"en": "Vietnamese", "zh": "越南文", "th": "ภาษาเวียดนาม"},
    "id": {"en": "Indonesian", "zh": "印尼文", "th": "ภาษาอินโดนีเซีย"}, "ms": {"en": "Malay", "zh": "马来文", "th": "ภาษามลายู"},
    "fr": {"en": "French", "zh": "法文", "th": "ภาษาฝรั่งเศส"}, "de": {"en": "German", "zh": "德文", "th": "ภาษาเยอรมัน"},
    "es": {"en": "Spanish", "zh": "西班牙文", "th": "ภาษาสเปน"},
    "pt": {"en": "Portuguese", "zh": "葡萄牙文", "th": "ภาษาโปรตุเกส"},
    "it": {"en": "Italian", "zh": "意大利文", "th": "ภาษาอิตาลี"}, "ru": {"en": "Russian", "zh": "俄文", "th": "ภาษารัสเซีย"},
    "ar": {"en": "Arabic", "zh": "阿拉伯文", "th": "ภาษาอาหรับ"}, "hi": {"en": "Hindi", "zh": "印地文", "th": "ภาษาฮินดี"},
    "bn": {"en": "Bengali", "zh": "孟加拉文", "th": "ภาษาเบงกาลี"},
    "sw": {"en": "Swahili", "zh": "斯瓦希里文", "th": "ภาษาสวาฮีลี"},
    "te": {"en": "Telugu", "zh": "泰卢固文", "th": "ภาษาเตลูกู"}, "my": {"en": "Burmese", "zh": "缅甸文", "th": "ภาษาพม่า"},
    "km": {"en": "Khmer", "zh": "高棉文", "th": "ภาษาเขมร"}, "lo": {"en": "Lao", "zh": "老挝文", "th": "ภาษาลาว"},
    "nl": {"en": "Dutch", "zh": "荷兰文", "th": "ภาษาดัตช์"}, "pl": {"en": "Polish", "zh": "波兰文", "th": "ภาษาโปแลนด์"},
    "tr": {"en": "Turkish", "zh": "土耳其文", "th": "ภาษาตุรกี"}, "uk": {"en": "Ukrainian", "zh": "乌克兰文", "th": "ภาษายูเครน"},
}  # fmt: skip
CODES = tuple(_NAMES)
DECIMAL_COMMA = ("de", "fr", "es", "pt", "it", "ru", "nl", "pl", "tr", "uk", "id", "vi")  # 1.200,5 is written there
PROMPTS = ("en", "zh", "th")  # languages that prompts are written in


def code_meant(name: str) -> str:
    """Return "; did you mean 'zh'?" for what is a language's name or close to a code, else ""."""
    by_name = {names["en"].lower(): code for code, names in _NAMES.items()}
    code = by_name.get(name.lower())
    return f"; did you mean '{code}'?" if code else did_you_mean(name, _NAMES)


def code_of(name: str) -> str:
    """Return the code of a language by its code (`en`, `en-US`, `zh_CN`) or its name in some languages; "" for others."""
    plain = name.strip().casefold()
    by_name = {word.casefold(): code for code, names in _NAMES.items() for word in names.values()}
    code = plain.replace("_", "-").partition("-")[0]
    return by_name.get(plain) or (code if code in _NAMES and len(plain) - len(code) in (0, 3, 5) else "")


def of_prompts(code: str) -> str:
    """Return the language of the prompts for a text in a language: its own where there are some, else English."""
    return code if code in PROMPTS else "en"


def called(code: str, spoken: str) -> str:
    """Return the name of a language, or of the one that a prompt is in where the code is none that is known here."""
    return name_of(code if code in _NAMES else spoken, spoken)


def name_of(code: str, spoken: str = "en") -> str:
    """Return the name of a language (ISO 639-1) in English, Chinese or Thai.

    Raises:
        UsageError: there is no such code here.
    """
    if code not in _NAMES:
        raise UsageError(f"there is no language '{code}'{code_meant(code)}")
    return _NAMES[code].get(spoken, _NAMES[code]["en"])
