import os

from celery import Celery

from shop import Order, create_app, db

celery = Celery("shop", broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/1"))
application = create_app()


@celery.task
def ship(number):
    with application.app_context():
        db.session.get(Order, number).shipped = True
        db.session.commit()
