"""How does zeep talk to a WSGI application in this process, without a socket?"""

from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from werkzeug.test import Client
from zeep.transports import Transport


class WsgiTransport(Transport):
    """A zeep transport that calls ``app``; keeps the last request and the last answer for the test to look at.

    ``headers`` go with every POST, for example ``Authorization``. A path is handed on as it stands in the URL.
    """

    def __init__(self, app, *, headers=None, **options):
        super().__init__(**options)
        self.client = Client(app)
        self.extra_headers = dict(headers or {})
        self.last_request = None
        self.last_answer = None

    def _load_remote_data(self, url):
        parts = urlsplit(url)
        answer = self.client.get(parts.path, query_string=parts.query)
        if answer.status_code != 200:
            raise AssertionError(f"GET {url}: {answer.status}")
        return answer.get_data()

    def post(self, address, message, headers):
        """What zeep sends goes in; what comes back is a response of requests."""
        answer = self.client.post(urlsplit(address).path, data=message, headers={**headers, **self.extra_headers})
        self.last_request = message
        response = requests.Response()
        response.status_code = answer.status_code
        response._content = answer.get_data()
        response.headers = CaseInsensitiveDict(answer.headers)
        response.url = address
        self.last_answer = response
        return response
