"""Personal data in the forms that people write, and what only looks like it."""

from __future__ import annotations

import pytest

from datagen.curate.clean import Clean
from datagen.personal_data.mask import counted

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PUTTY = (
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 1\nAAAAB3NzaC1yc2EAAAA\n"
    "Private-Lines: 1\nAAAAgQCqAAAAgQCq\nPrivate-MAC: 0123abcd"
)
PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"


def masked(text: str) -> str:
    return Clean(do=("pii",)).text(text)


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("| a | b |\n\nMail joe.smith@gmail.com\n\n| c | d |", "| a | b |\n\nMail [EMAIL]\n\n| c | d |"),
        ("| a@b.com |\r\na@b.com\r\n| c |", "| a@b.com |\r\n[EMAIL]\r\n| c |"),
        ("a | b, then a@b.com | c", "a | b, then [EMAIL] | c"),
        ("\\(x a@b.com and ```\na@b.com\n``` a@b.com", "\\(x [EMAIL] and ```\na@b.com\n``` [EMAIL]"),
        ("$$ a@b.com $$ a@b.com \\[ a@b.com \\] a@b.com", "$$ a@b.com $$ [EMAIL] \\[ a@b.com \\] [EMAIL]"),
        ("\\begin{a} a@b.com \\end{b} a@b.com \\end{a} a@b.com", "\\begin{a} a@b.com \\end{b} a@b.com \\end{a} [EMAIL]"),
        ("it costs $5 and a@b.com pays $6", "it costs $5 and [EMAIL] pays $6"),
    ],
)
def test_only_code_tables_and_formulas_are_left_alone(text: str, better: str) -> None:
    assert masked(text) == better


@pytest.mark.parametrize(
    "text",
    [
        "用户@例子.公司",
        "用户1@例子.中国",
        "用户@example.cn",
        "ผู้ใช้@ตัวอย่าง.ไทย",
        "иван@почта.рф",
        "josé.garcía@correo.es",
        "info@münchen.de",
        "a.b@xn--e1afmkfd.xn--p1ai",
        "χρήστης@παράδειγμα.ελ",
        "उपयोगकर्ता@उदाहरण.भारत",
    ],
)
def test_an_address_of_any_script_is_masked_whole(text: str) -> None:
    assert masked(f"({text}), {text}") == "([EMAIL]), [EMAIL]"


def test_words_beside_an_address_stay_where_no_blank_parts_them() -> None:
    assert (
        masked("邮箱：用户@例子.公司谢谢，或a@b.com谢谢，user@gmail.com으로") == "邮箱：[EMAIL]谢谢，或[EMAIL]谢谢，[EMAIL]으로"
    )


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("ping 8.8.8.8:53 or 10.0.0.1:8080", "ping [IP]:53 or 10.0.0.1:8080"),
        ("Server 8.8.4.4:8080 is down, driver 8.8.4.4 is not", "Server [IP]:8080 is down, driver [IP] is not"),
        ("v8.8.4.4, ver. 8.8.4.4, Ver 8.8.4.4", "v8.8.4.4, ver. 8.8.4.4, Ver 8.8.4.4"),
        ("http://8.8.4.4/x?y=1 and https://8.8.4.4:443/", "http://[IP]/x?y=1 and https://[IP]:443/"),
        ("Server 8.8.8.8 took over 8.8.4.4; ver. 8.8.8.8, v8.8.8.8", "Server [IP] took over [IP]; ver. 8.8.8.8, v8.8.8.8"),
        ("服务器8.8.8.8的地址，IP:8.8.8.8。", "服务器[IP]的地址，IP:[IP]。"),
        ("เซิร์ฟเวอร์8.8.8.8ล่ม", "เซิร์ฟเวอร์[IP]ล่ม"),
        ("::ffff:8.8.8.8 [2001:4860:4860::8888]:443 地址2001:4860:4860::8888。", "[IP] [[IP]]:443 地址[IP]。"),
        ("::ffff:10.0.0.1 64:ff9b::8.8.8.8 64:ff9b::10.0.0.1", "::ffff:10.0.0.1 [IP] 64:ff9b::10.0.0.1"),
    ],
)
def test_a_public_address_of_a_machine_is_masked_wherever_it_stands(text: str, better: str) -> None:
    assert masked(text) == better


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        PUTTY,
        PEM,
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "rk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "glpat-" + "ABCDEFGHIJKLMNOPQRST",
        "xoxb-" + "123456789012-abcdefABCDEF",
        "ghp_" + "a1" * 18,
        "AIza" + "Sy0" * 11 + "ab",
        "ASIA" + "ABCDEFGHIJKLMNOP",
        "npm_" + "a1" * 18,
        "hf_" + "abcdEFGH" * 4,
        "SG." + "a" * 22 + "." + "b" * 43,
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG\\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG",
    ],
    ids=lambda text: text[:16],
)
def test_a_key_is_masked_beside_blanks_and_beside_han(text: str) -> None:
    assert masked(f"密钥{text}。 key={text}\n") == "密钥[KEY]。 key=[KEY]\n"


def test_the_secret_of_a_named_key_is_masked() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzzzzzzzzzz"
    assert masked(f'aws_secret_access_key = "{secret}"') == 'aws_secret_access_key = "[KEY]"'


@pytest.mark.parametrize(
    "number",
    [
        "020 7946 0958",
        "030 901820",
        "01 42 68 53 00",
        "03-1234-5678",
        "02-312-3456",
        "9876543210",
        "98765 43210",
        "8 (495) 123-45-67",
        "(11) 91234-5678",
        "0912 345 678",
        "612 345 678",
        "22 33 44 55",
        "6123 4567",
        "08-123 456 78",
        "02-123-4567",
        "010-62345678",
        "400-820-8820",
    ],
)
@pytest.mark.parametrize("label", ["Tel: ", "Phone number: ", "电话：", "โทร. ", "電話番号は", "Тел.: ", "Téléphone: "])
def test_a_number_after_a_label_is_a_phone_number_in_the_form_of_any_country(label: str, number: str) -> None:
    assert masked(f"{label}{number}, 9-17") == f"{label}[PHONE], 9-17"


@pytest.mark.parametrize(
    "text",
    ["call us at 020 7946 0958.", "please call 01 42 68 53 00", "โทร 02-123-4567", "電話 03-1234-5678", "dial 0800 123 4567"],
)
def test_a_number_that_one_is_told_to_call_is_a_phone_number(text: str) -> None:
    assert "[PHONE]" in masked(text) and not any(c.isdigit() for c in masked(text))


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3.4, v1.2.3.4, 版本1.2.3.4, 升级到1.2.3.4, 1.2.3.4版, Chrome/120.0.6099.109, เวอร์ชัน 1.2.3.4",
        "第1.2.3.4节",
        "1.2.3.4概述",
        "the OID 1.3.6.1.4.1.311",
        "at 12:30:45",
        "ad::d and std::vector",
        "8.8.8.8.in-addr.arpa",
        "@app.route('/x')",
        "@小明 你好",
        "left@right",
        "pkg@1.2.3",
        "me@example.com",
        "a@b.test",
        "Phone: 2025-01-02",
        "cell: 1999-2004",
        "Tel: 1234567890",
        "手机5000000台",
        "call 1000-2000 people",
        "hotel: 20250101",
        "call 10 000 000 people",
        "phone: 9.81",
        "call 911",
        "Handy: 0000000",
        "ISBN 978-3-16-148410-0",
        "2024-11-28 12:30",
        "3.14159265358979",
        "1,234,567,890",
        "x = 1234567890 * 2",
        "1 2 3 4 5 6 7 8 9 10",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "The file begins with -----BEGIN PRIVATE KEY----- and goes on.",
        "A token looks like eyJ.eyJ.x",
        "risk-averse sk-learn",
        "The header is PuTTY-User-Key-File-2 in the first line.",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert masked(text) == text


def test_what_would_be_masked_is_counted() -> None:
    text = f"a@b.com, c@d.com, Tel: 030 901820, {JWT}, `e@f.com`"
    assert counted(text) == {"email": 2, "phone": 1, "key": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "| a |x",
        "|",
        "| |\n",
        "\\(",
        "\\[",
        "\\begin{a}",
        "$",
        "$a",
        "$$a",
        "`",
        "```",
        "\\begin{a}\\end{b}",
        "a@",
        "a.",
        "@a.",
        "用@",
        "1.",
        "1:",
        "::",
        "0:",
        "1.1.1.1:",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "PuTTY-User-Key-File-2: a\n",
        "PuTTY-User-Key-File-2: a\nA: b\n",
        "eyJaaaaaaaa.",
        "sk-",
        "glpat-",
        "---- BEGIN SSH2 PRIVATE KEY ----",
        "aws_secret_key = ",
        "Tel: ",
        "电话",
        "call ",
        "1-",
        "1 ",
        "(1) ",
    ],
)
def test_a_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    text = unit * (60_000 // len(unit))
    assert isinstance(masked(text), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("هاتف ٠١٠١٢٣٤٥٦٧٨", "هاتف [PHONE]"),
        ("الهاتف 01012345678", "الهاتف [PHONE]"),
        ("السنة ٢٠٢٤ و ١٢٣٤٥٦٧٨", "السنة ٢٠٢٤ و ١٢٣٤٥٦٧٨"),
        ("postgres://user:s3cretpass@db.acme.org/x", "postgres://user:[KEY]@db.acme.org/x"),
        ("redis://:pa55@10.0.0.1:6379", "redis://:[KEY]@10.0.0.1:6379"),
        ("见https://王:mima123@例子.公司/a", "见https://王:[KEY]@例子.公司/a"),
        ("postgres://user:${PASS}@db/x, http://host:8080/@x", "postgres://user:${PASS}@db/x, http://host:8080/@x"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\nAAAAAABBBBBCCCC", "[KEY]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890abcdef\nand then words", "[KEY]\nand then words"),
        ("git@github.com:a/b.git, mail joe@acme.org:now", "git@github.com:a/b.git, mail [EMAIL]:now"),
        ("โคลน git@gitlab.com:a/b ssh://git@host.org/a", "โคลน git@gitlab.com:a/b ssh://git@host.org/a"),
        ("git@acme.org", "[EMAIL]"),
    ],
)
def test_passwords_in_urls_cut_keys_and_numbers_in_arabic_are_masked_and_logins_stay(text: str, expected: str) -> None:
    assert masked(text) == expected
