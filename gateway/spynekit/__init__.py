"""How do we serve SOAP with Spyne 2.14 safely? This package knows nothing of e-mail.

Importing it makes every later ``from spyne import ...`` work without warnings on Python 3.11 to 3.13.
That is the one exception to "no work at import time": a module that needs Spyne names its classes while it is
being imported, so a function that somebody has to call first would come too late.
"""

from gateway.spynekit import compat

SPYNE_VERSION = compat.SPYNE_VERSION
