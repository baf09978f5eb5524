"""gateway template add, list, show: what stands around the stories of mailings (aapi.md section 5.5)."""

import json

HTML = "<body><div>{{ content:Top }}</div>{{ content }}</body>"


def template(typed, act, *arguments, brand="9999"):
    code, out, err = typed("template", act, "--brand", brand, "--json", *arguments)
    return code, json.loads(out), err


def test_add_list_show(branded, tmp_path):
    """Two brands: each has its own templates."""
    (tmp_path / "news.html").write_text("\ufeff" + HTML, "utf-8")
    assert branded("brand", "add", "--id", "7", "--name", "Other")[0] == 0
    code, made, _err = template(branded, "add", "--name", "News", "news.html")
    assert (code, made["name"], made["areas"]) == (0, "News", ["Top"])
    number = str(made["templateId"])
    assert template(branded, "list")[1] == {"templates": [made]} and template(branded, "list", brand="7")[1] == {
        "templates": []}
    assert template(branded, "show", "--template", number)[1] == made | {"html": HTML}
    assert branded("template", "show", "--brand", "9999", "--template", number)[1] == HTML + "\n"
    assert "News (Top, content)" in branded("template", "list", "--brand", "9999")[1]
    assert branded("template", "list", "--brand", "7")[1] == "No templates.\n"
    code, _out, err = branded("template", "show", "--brand", "7", "--template", number)
    assert code == 1 and "NOT_FOUND" in err and "(--template)" in err


def test_what_cannot_be_added(branded, tmp_path):
    """The reason, and exit code 1; a file that is not there is one."""
    (tmp_path / "bad.html").write_text("<p>nothing to fill</p>", "utf-8")
    code, told, _err = template(branded, "add", "--name", "Bad", "bad.html")
    assert code == 1 and told["error"]["code"] == "INVALID_VALUE" and "{{ content }}" in told["error"]["message"]
    assert template(branded, "add", "--name", "Bad", "none.html")[0] == 1
    assert template(branded, "add", "--name", "Bad", "bad.html", brand="8")[1]["error"]["code"] == "NOT_FOUND"
