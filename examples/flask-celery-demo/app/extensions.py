"""The extension object. There is no app yet, so every module may import it: no circle."""

from flask_celeriac import Celeriac

celeriac = Celeriac()
