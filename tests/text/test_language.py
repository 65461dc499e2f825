"""Which language a text is in, and that a check made for short instructions takes nothing for what it is not."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.text import language
from datagen.text.language import identify, is_in

# Instructions in languages of the Latin script that are not English; the benchmark reads them too.
FOREIGN = {
    "fr": [
        "Écris une courte histoire sur un chat perdu.",
        "Quelle est la capitale de l'Australie ?",
        "Résume le texte suivant en trois phrases.",
        "Donne-moi une recette de soupe aux légumes.",
        "Explique la photosynthèse à un enfant de dix ans.",
        "Corrige les fautes dans cette phrase.",
        "Pourquoi le ciel est-il bleu ?",
        "Rédige une lettre de motivation pour un poste de serveur.",
        "Propose cinq idées de cadeaux pour un ami.",
    ],
    "de": [
        "Schreibe ein kurzes Gedicht über den Herbst.",
        "Was ist die Hauptstadt von Kanada?",
        "Fasse den folgenden Text in zwei Sätzen zusammen.",
        "Erkläre den Unterschied zwischen Wetter und Klima.",
        "Nenne drei Vorteile von Homeoffice.",
        "Wie backe ich ein einfaches Brot?",
        "Übersetze diesen Satz ins Englische.",
        "Gib mir fünf Tipps für ein Vorstellungsgespräch.",
        "Warum ist der Himmel blau?",
    ],
    "es": [
        "Escribe un poema corto sobre el mar.",
        "¿Cuál es la capital de Perú?",
        "Resume el siguiente artículo en tres frases.",
        "Explica cómo funciona un motor eléctrico.",
        "Dame una receta sencilla de tortilla de patatas.",
        "Clasifica estas palabras según su género.",
        "Corrige los errores de la frase siguiente.",
        "Enumera cinco ventajas de hacer ejercicio.",
        "Traduce esta oración al inglés.",
    ],
    "pt": [
        "Escreva um pequeno conto sobre um cachorro.",
        "Qual é a capital da Argentina?",
        "Explique o que é inflação para uma criança.",
        "Faça uma lista de compras para um churrasco.",
        "Resuma o texto abaixo em duas frases.",
        "Como posso aprender a tocar violão?",
        "Traduza a frase seguinte para o inglês.",
        "Quais são os benefícios de dormir bem?",
        "Crie um slogan para uma padaria.",
    ],
    "it": [
        "Scrivi una breve storia su un drago.",
        "Qual è la capitale della Svizzera?",
        "Spiega come funziona un frigorifero.",
        "Riassumi il testo seguente in poche parole.",
        "Dammi una ricetta per la pasta al pomodoro.",
        "Elenca cinque modi per risparmiare acqua.",
        "Correggi gli errori in questa frase.",
        "Perché il mare è salato?",
        "Scrivi una email per chiedere un giorno di ferie.",
    ],
    "vi": [
        "Viết một bài thơ ngắn về mùa thu.",
        "Thủ đô của Nhật Bản là gì?",
        "Tóm tắt đoạn văn sau trong ba câu.",
        "Giải thích cách hoạt động của tủ lạnh.",
        "Hãy liệt kê năm lợi ích của việc đọc sách.",
        "Dịch câu này sang tiếng Anh.",
        "Làm thế nào để nấu phở bò?",
        "Tại sao bầu trời có màu xanh?",
        "Viết thư xin nghỉ phép một ngày.",
    ],
    "id": [
        "Tulis puisi pendek tentang hujan.",
        "Apa ibu kota Thailand?",
        "Ringkas teks berikut dalam dua kalimat.",
        "Jelaskan cara kerja mesin cuci.",
        "Sebutkan lima manfaat olahraga pagi.",
        "Terjemahkan kalimat ini ke dalam bahasa Inggris.",
        "Bagaimana cara membuat nasi goreng?",
        "Mengapa langit berwarna biru?",
        "Buat daftar belanja untuk satu minggu.",
    ],
}  # fmt: skip
ONE_OF_EACH = {
    "en": "Give three tips for staying healthy.",
    "zh": "写一首关于秋天的诗。",
    "th": "เขียนบทกวีเกี่ยวกับฤดูใบไม้ร่วง",
    "ja": "秋についての詩を書いてください。",
    "ko": "가을에 관한 시를 써 주세요.",
    "ru": "Объясни, что такое инфляция.",
    "uk": "Поясніть, що таке інфляція.",
    "ar": "اكتب قصيدة عن الربيع",
    "fa": "پایتخت فرانسه کجاست؟",
    "hi": "फ्रांस की राजधानी क्या है?",
    "el": "Γράψε ένα ποίημα για την άνοιξη.",
    "he": "כתוב שיר על האביב",
    "lo": "ຂຽນບົດກະວີ",
}


@pytest.mark.parametrize("language", ONE_OF_EACH)
def test_a_language_is_identified(language: str) -> None:
    found, confidence = identify(ONE_OF_EACH[language])
    assert found == language
    assert 0.4 < confidence <= 1


@pytest.mark.parametrize("language", FOREIGN)
def test_latin_languages_are_told_apart_and_none_passes_as_english(language: str) -> None:
    for text in FOREIGN[language]:
        assert identify(text)[0] == language, text
        assert is_in(text, language), text
        for asked in ("en", "zh", "th"):
            assert not is_in(text, asked), text


def test_a_text_in_one_language_is_in_no_other_of_another_script() -> None:
    for name, text in ONE_OF_EACH.items():
        for asked in ("en", "zh", "th"):
            assert is_in(text, asked) == (name == asked), (text, asked)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "2+2?", "91-33=", "x² + y² = z²", "!!!", "🙂", "`print(1)`", "```python\nprint('hello world')\n```",
        "$$\\frac{a}{b}$$", "https://example.com/wie/geht/es/dir",
        '{"name": "Ana", "goal": "aprender a cantar"}', "user_name", "\ud800", "\x00",
    ],
)  # fmt: skip
def test_what_holds_no_words_is_no_language_and_passes_in_each(text: str) -> None:
    assert identify(text) == ("", 0.0)
    assert all(is_in(text, language) for language in ("en", "zh", "th", "ja", "fr"))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "用Python写一个LRU cache"),
        ("zh", "把 'I love you' 翻译成英文"),
        ("zh", "翻译: The weather is nice today and we want to go to the park with our friends"),
        ("zh", "改写这句话，“She is taking a short break from practice”"),
        ("zh", "什么是 machine learning operations (MLOps) pipeline?"),
        ("zh", "machine learning 和 deep learning 有什么区别"),
        ("zh", "把ありがとう翻译成中文"),
        ("zh", "「ありがとう」是什么意思？"),
        ("zh", "請用繁體中文解釋量子力學。"),
        ("zh", "求x: x+y=3, x-y=1"),
        ("zh", "Apple, Google, Microsoft, Amazon"),
        ("zh", "LRU cache"),
        ("th", "แปลประโยคนี้เป็นภาษาอังกฤษ: The weather is nice"),
        ("th", "ข้อดีของ machine learning คืออะไร"),
        ("th", "Python คืออะไร"),
        ("th", "คำว่า 你好 แปลว่าอะไร"),
        ("en", "Translate 'bonjour' to English"),
        ("en", 'Translate the sentence "Dónde está la estación de autobuses?" into English.'),
        ("en", "Translate the following sentence: Je vais à la bibliothèque."),
        ("en", "Translate the following sentence into English: 我今天很高兴因为我通过了考试"),
        ("en", "Translate 我今天很高兴因为我通过了考试 into English"),
        ("en", "Explain 画蛇添足"),
        ("en", "Haiku: autumn"),
        ("en", "Madrid, Barcelona, Sevilla, Valencia"),
        ("en", "Who is Barack Obama?"),
        ("en", "Convert 58 Fahrenheit to Celsius."),
        ("en", "Generate a haiku poem."),
        ("en", "How do dividend stocks work?"),
        ("en", "SUMMARIZE THE FOLLOWING ARTICLE."),
        ("en", "Extract all names and list them using bullets in the format {Name}-{River}"),
        ("ja", "東京都、大阪府"),
    ],
)  # fmt: skip
def test_an_instruction_may_hold_other_languages_names_and_terms(language: str, text: str) -> None:
    assert is_in(text, language)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("zh", "Translate the following into English: 我喜欢你"),
        ("zh", "What does 谢谢 mean in English?"),
        ("zh", "What is the capital of France?"),
        ("zh", "It's normal."),
        ("zh", "東京は日本の首都です"),
        ("th", "Write a poem"),
        ("en", "Python如何读取文件"),
        ("en", "用python写一个function"),
        ("en", "Python คืออะไร"),
        ("en", "你好"),
        ("en", "Combien de côtés a un triangle ?"),
        ("ja", "请介绍一下你自己的家乡和那里的美食"),
        ("fr", "Give three tips for staying healthy."),
    ],
)  # fmt: skip
def test_what_is_clearly_in_another_language_does_not_pass(asked: str, text: str) -> None:
    assert not is_in(text, asked)


def test_code_links_formulas_and_quotations_do_not_count() -> None:
    assert (
        identify("解释这段代码 `for item in the_list: print(item)` 的作用，参考 https://docs.python.org/3/tutorial/index.html")[
            0
        ]
        == "zh"
    )
    assert identify("这是什么：\n```python\ndef mean_of(the_list):\n    return sum(the_list) / len(the_list)\n```")[0] == "zh"
    assert identify("证明 $\\text{the sum of the angles of a triangle is } \\pi$ 成立")[0] == "zh"
    assert identify("确定哪个句子是正确的：“It is more funner”或“It is more fun”？")[0] == "zh"


def test_a_text_is_always_in_the_language_it_is_identified_as() -> None:
    draw = random.Random(17)
    parts = [
        *ONE_OF_EACH.values(),
        *(t for texts in FOREIGN.values() for t in texts),
        "LRU cache",
        "'bonjour'",
        "你好",
        "2+2",
        ":\n",
    ]
    for _ in range(500):
        text = " ".join(draw.choices(parts, k=draw.randrange(1, 4)))
        assert is_in(text, identify(text)[0]), text


def test_a_language_nobody_knows_is_never_the_wrong_one() -> None:
    assert is_in("Give three tips for staying healthy.", "tlh")


def test_threads_agree_with_one_another_and_with_one_thread() -> None:
    texts = [t for texts in FOREIGN.values() for t in texts] * 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = [identify(text) for text in texts]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(identify, texts)) == alone


def test_the_model_is_loaded_for_the_first_text_that_needs_it() -> None:
    asks = "identify('写一首诗')[0], is_in('写一首诗', 'en'), 'numpy' in sys.modules"
    program = f"import sys; from datagen.text.language import identify, is_in; print({asks})"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "zh False False\n"


@pytest.mark.parametrize(
    "hostile", ["{", "[", "(", "`", "$", "\\(", '"', "“", "'", "<a", "a@", "_a", "A.", "a\n", "for ", "\\begin{a}", "{[", "aA"]
)
@pytest.mark.timeout(60)  # a pattern that goes back and forth would take hours; how long it takes is in benchmarks/
def test_a_hostile_text_ends(hostile: str) -> None:
    assert {is_in(hostile * 50_000, "zh"), is_in(hostile * 50_000, "en")} <= {True, False}


SHORT = ["The cat sat on the mat.", "ÇA VA BIEN", "Привет, как дела?", "مرحبا بالعالم", "e\u0301", "", "नमस्ते दुनिया"]


@given(script=st.sampled_from(sorted(language._SEVERAL)), text=st.text(max_size=80) | st.sampled_from(SHORT))
def test_the_kernel_gives_the_probabilities_of_py3langid_itself(script: str, text: str) -> None:
    identifier = copy(language._model())
    identifier.set_languages(language._SEVERAL[script].split())
    model = language._identifier(script)
    found = {name: model.probability(text, name) for name, _ in identifier.rank(text)}
    assert found == pytest.approx(dict(identifier.rank(text)), abs=1e-5)
