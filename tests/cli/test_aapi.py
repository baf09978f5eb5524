"""How does an operator make a brand known to callers of the document API? (aapi.md sections 2.1, 3, 4)"""

import json

KEY, IV = "00112233445566778899aabbccddeeff0123456789abcdef", "1021324354657687"


def ask(typed, *choices, stdin=""):
    code, out, err = typed("brand", "set", "--brand", "9999", *choices, "--json", stdin=stdin)
    assert KEY not in out + err and IV not in out + err
    facts = json.loads(out)
    return code, facts.get("settings") or facts["error"]


def test_number_declaration_and_key_of_an_account(branded):
    """Key and vector come from input, one line each, and are never told."""
    names = ("aapiAccount", "aapiDeclaration", "aapiKey", "aapiIv")
    shown = ask(branded)[1]
    assert [shown[name] for name in names] == ["", "utf-16", "", ""]
    code, shown = ask(branded, "aapiAccount=4711", "aapiDeclaration=none", "aapiKey=-", "aapiIv=-",
                      stdin=f"{KEY}\n{IV}\n")
    assert code == 0 and [shown[name] for name in names] == [4711, "none", "set", "set"]
    code, told = ask(branded, f"aapiKey={KEY}00")
    assert (code, told["code"], told["field"]) == (1, "INVALID_VALUE", "aapiKey")
    code, told = ask(branded, "aapiDeclaration=latin-1")
    assert (code, told["code"], told["field"]) == (1, "INVALID_VALUE", "aapiDeclaration")
    assert branded("brand", "add", "--id", "4711", "--name", "Another")[0] == 1
    shown = ask(branded, "aapiAccount=", "aapiKey=", "aapiIv=")[1]
    assert [shown[name] for name in names] == ["", "none", "", ""]


def test_both_contracts_are_compared_and_written(branded, monkeypatch, tmp_path):
    """`gateway wsdl` knows the typed contract and that of the document API."""
    monkeypatch.setattr("gateway.aapi.contract.FOLDER", tmp_path)
    code, _out, err = branded("wsdl", "--check")
    assert code == 1 and "aapi.wsdl" in err and "gateway-v1" not in err
